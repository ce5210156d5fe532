//! Who should vote, and what a cluster survives then.

use std::collections::BTreeMap;

use acd::ids::{NodeId, SiteId};
use acd::members::{Seat, spread, survival};
use proptest::prelude::*;

fn sites(names: &[&str]) -> Vec<SiteId> {
    names.iter().map(|name| SiteId::new(name).unwrap()).collect()
}

/// The voters among nodes 1, 2, 3 … at these sites, of whom the first ones vote already.
fn voters(names: &[&str], voting: u64) -> Vec<u64> {
    let sites = sites(names);
    let seats: Vec<_> = (1..)
        .zip(&sites)
        .map(|(node, site)| Seat { node: NodeId(node), site, votes: node <= voting })
        .collect();
    spread(&seats).into_iter().map(|node| node.0).collect()
}

fn why(names: &[&str]) -> (bool, String) {
    let survival = survival(&sites(names));
    (survival.automatic, survival.why)
}

#[test]
fn voters_are_spread_over_the_cities() {
    assert_eq!(voters(&["kyiv", "lviv", "dnipro"], 0), [1, 2, 3]);
    assert_eq!(voters(&["kyiv", "kyiv", "lviv", "lviv", "dnipro"], 0), [1, 2, 3, 4, 5]);
    assert_eq!(voters(&["kyiv", "kyiv", "kyiv", "lviv", "dnipro"], 0), [1, 4, 5]);
    assert_eq!(voters(&["a", "b", "c", "d", "e", "f", "g"], 0), [1, 2, 3, 4, 5]);
    assert_eq!(voters(&["a", "b", "c", "d"], 0), [1, 2, 3]);
    assert_eq!(voters(&["a", "b", "c", "d"], 1), [1, 2, 3]);
}

#[test]
fn who_votes_already_goes_on() {
    let sites = sites(&["a", "b", "c", "d"]);
    let seat =
        |node: u64, votes| Seat { node: NodeId(node), site: &sites[node as usize - 1], votes };
    let seats = [seat(1, false), seat(2, true), seat(3, true), seat(4, true)];
    assert_eq!(spread(&seats), [NodeId(2), NodeId(3), NodeId(4)]);
}

#[test]
fn two_cities_keep_the_majority_at_one_of_them() {
    assert_eq!(voters(&["kyiv"], 0), [1]);
    assert_eq!(voters(&["kyiv", "lviv"], 1), [1]);
    assert_eq!(voters(&["kyiv", "kyiv", "lviv"], 0), [1, 2, 3]);
    assert_eq!(voters(&["kyiv", "kyiv", "lviv", "lviv"], 0), [1, 2, 3]);
    assert_eq!(voters(&["kyiv", "kyiv", "kyiv", "lviv", "lviv"], 0), [1, 2, 3, 4, 5]);
    assert_eq!(voters(&["kyiv", "kyiv", "kyiv"], 0), [1, 2, 3]);
    assert_eq!(voters(&[], 0), [0_u64; 0]);
}

#[test]
fn two_cities_are_told_why_there_is_no_automatic_failover() {
    let (automatic, why) = why(&["kyiv", "kyiv", "lviv"]);
    assert!(!automatic);
    assert!(why.contains("automatic failover between kyiv and lviv is impossible"), "{why}");
    assert!(why.contains("a witness will do"), "{why}");
}

#[test]
fn what_a_cluster_does_not_survive_is_said() {
    assert_eq!(why(&["kyiv", "lviv", "dnipro"]), (true, String::new()));
    assert!(why(&["kyiv"]).1.contains("all voters are at kyiv"));
    assert!(
        why(&["kyiv", "kyiv", "lviv", "dnipro"]).1.contains("without kyiv there is no majority")
    );
    assert_eq!(why(&[]).1, "nobody votes");
}

proptest! {
    #[test]
    fn no_city_has_a_majority_where_three_could_have_one_each(
        nodes in proptest::collection::vec((0_usize..6, any::<bool>()), 0..12),
        order in any::<u64>(),
    ) {
        let names = sites(&["a", "b", "c", "d", "e", "f"]);
        let mut seats: Vec<_> = (1..)
            .zip(&nodes)
            .map(|(node, (site, votes))| Seat { node: NodeId(node), site: &names[*site], votes: *votes })
            .collect();
        let chosen = spread(&seats);
        prop_assert!(chosen.len() <= 5);
        prop_assert_eq!(chosen.len() % 2, usize::from(!seats.is_empty()));
        prop_assert!(chosen.is_sorted());
        let mut here: BTreeMap<&SiteId, usize> = BTreeMap::new();
        let of = |node: &NodeId| seats.iter().find(|seat| seat.node == *node).unwrap().site;
        for node in &chosen {
            *here.entry(of(node)).or_default() += 1;
        }
        let cities: std::collections::BTreeSet<_> = seats.iter().map(|seat| seat.site).collect();
        if cities.len() >= 3 {
            prop_assert!(here.values().all(|here| 2 * here < chosen.len()), "{:?}", here);
        }
        // The order in which they are listed does not count.
        seats.sort_by_key(|seat| seat.node.0.wrapping_mul(order | 1));
        prop_assert_eq!(spread(&seats), chosen);
    }
}
