//! How a queue spreads over cities.

mod scene;

use std::collections::BTreeMap;

use acd::command::SiteCommand;
use acd::config::{QueueConfig, SitePolicy};
use acd::event::{ContactEvent, SiteChoice};
use acd::time::Millis;
use scene::*;

fn with(site_policy: SitePolicy) -> Scene {
    let mut s = Scene::new();
    s.put_queue(QueueConfig { site_policy, ..queue_config("billing") });
    s
}

/// Agents `city-1` … in a city.
fn staff_city(s: &mut Scene, city: &str, count: usize) {
    for n in 1..=count {
        s.staff(&format!("{city}-{n}"), city, &[("billing", 1)]);
    }
}

/// The city a call is offered to.
fn city_of(s: &mut Scene, id: &str) -> String {
    s.call(id, "billing", "kyiv");
    let agent = s.with(id).unwrap();
    agent.split('-').next().unwrap().to_string()
}

#[test]
fn any_is_one_queue_for_all_cities() {
    let mut s = with(SitePolicy::Any);
    staff_city(&mut s, "lviv", 1);
    staff_city(&mut s, "kyiv", 1);
    assert_eq!(city_of(&mut s, "c1"), "lviv", "idle for longer, wherever the caller is");
    assert_eq!(s.reason("c1").site, SiteChoice::Any);
}

// -- Local first ----------------------------------------------------------------------------------

#[test]
fn local_first_waits_for_its_own_city_and_then_spills() {
    let mut s = with(SitePolicy::LocalFirst { spill_after: seconds(10) });
    staff_city(&mut s, "lviv", 1);
    s.call("c1", "billing", "kyiv");
    s.pass(Millis(9_999));
    assert_eq!(s.state("c1"), "queued");
    s.pass(Millis(1));
    assert_eq!(s.with("c1").as_deref(), Some("lviv-1"));
    assert_eq!(s.reason("c1").site, SiteChoice::Spilled);
    assert!(s.history("c1").contains(&&ContactEvent::Spilled));
}

#[test]
fn local_first_prefers_its_own_city_also_after_it_may_spill() {
    let mut s = with(SitePolicy::LocalFirst { spill_after: Millis::ZERO });
    staff_city(&mut s, "lviv", 1);
    staff_city(&mut s, "kyiv", 1);
    assert_eq!(city_of(&mut s, "c1"), "kyiv");
    assert_eq!(s.reason("c1").site, SiteChoice::Local);
    assert_eq!(city_of(&mut s, "c2"), "lviv");
}

#[test]
fn grade_comes_before_the_city() {
    let mut s = with(SitePolicy::LocalFirst { spill_after: Millis::ZERO });
    s.staff("kyiv-1", "kyiv", &[("billing", 2)]);
    staff_city(&mut s, "lviv", 1);
    assert_eq!(city_of(&mut s, "c1"), "lviv");
}

#[test]
fn nobody_waits_for_a_city_that_gets_no_offers() {
    let mut s = with(SitePolicy::LocalFirst { spill_after: seconds(600) });
    staff_city(&mut s, "lviv", 2);
    s.call("c1", "billing", "kyiv");
    assert_eq!(s.state("c1"), "queued");
    s.lose("kyiv");
    assert_eq!(s.state("c1"), "offered", "at once");
    s.call("c2", "billing", "kyiv");
    assert_eq!(s.state("c2"), "offered");
}

#[test]
fn an_agents_city_is_where_the_session_is() {
    let mut s = with(SitePolicy::LocalFirst { spill_after: seconds(600) });
    s.put_agent(roster_entry("anna", "lviv", &[("billing", 1)]));
    s.log_in("anna", "kyiv");
    s.ready("anna");
    s.call("c1", "billing", "kyiv");
    assert_eq!(s.with("c1").as_deref(), Some("anna"));
}

// -- Shares ---------------------------------------------------------------------------------------

fn shares(list: &[(&str, u32)]) -> SitePolicy {
    SitePolicy::Shares(list.iter().map(|(id, n)| (site(id), *n)).collect())
}

#[test]
fn shares_are_kept_exactly_over_many_calls_and_smoothly_on_the_way() {
    let mut s = with(shares(&[("kyiv", 5), ("lviv", 3), ("dnipro", 2)]));
    for city in ["kyiv", "lviv", "dnipro"] {
        staff_city(&mut s, city, 1);
    }
    let mut got: BTreeMap<String, usize> = BTreeMap::new();
    for n in 1..=200usize {
        let id = format!("c{n}");
        *got.entry(city_of(&mut s, &id)).or_default() += 1;
        assert_eq!(s.reason(&id).site, SiteChoice::Share);
        s.hang_up(&id, "kyiv");
        for (city, tenths) in [("kyiv", 5), ("lviv", 3), ("dnipro", 2)] {
            let has = got.get(city).copied().unwrap_or(0);
            assert!((n * tenths).abs_diff(has * 10) <= 10, "{city}: {has} of {n}");
        }
    }
    assert_eq!(got.into_values().collect::<Vec<_>>(), [40, 100, 60]);
}

#[test]
fn a_city_with_nobody_free_leaves_its_share_to_the_others() {
    let mut s = with(shares(&[("kyiv", 9), ("lviv", 1)]));
    staff_city(&mut s, "lviv", 3);
    for id in ["c1", "c2", "c3"] {
        assert_eq!(city_of(&mut s, id), "lviv");
    }
}

#[test]
fn a_city_without_a_share_is_the_last_resort() {
    let mut s = with(shares(&[("kyiv", 1)]));
    staff_city(&mut s, "dnipro", 1);
    staff_city(&mut s, "kyiv", 1);
    assert_eq!(city_of(&mut s, "c1"), "kyiv");
    assert_eq!(city_of(&mut s, "c2"), "dnipro");
}

// -- Free capacity --------------------------------------------------------------------------------

#[test]
fn free_capacity_chooses_the_city_with_the_most_free_agents() {
    let mut s = with(SitePolicy::FreeCapacity { hysteresis: 1 });
    staff_city(&mut s, "kyiv", 1);
    staff_city(&mut s, "lviv", 3);
    assert_eq!(city_of(&mut s, "c1"), "lviv");
    assert_eq!(s.reason("c1").site, SiteChoice::FreeCapacity);
}

#[test]
fn free_capacity_stays_until_another_city_is_ahead_by_the_hysteresis() {
    let mut s = with(SitePolicy::FreeCapacity { hysteresis: 2 });
    staff_city(&mut s, "lviv", 4);
    staff_city(&mut s, "kyiv", 3);
    // Free, Lviv to Kyiv: 4:3, 3:3, 2:3, then 1:3 and Kyiv is ahead by two.
    let cities: Vec<_> = (1..=4).map(|n| city_of(&mut s, &format!("c{n}"))).collect();
    assert_eq!(cities, ["lviv", "lviv", "lviv", "kyiv"]);
}

#[test]
fn a_city_that_gets_no_offers_has_no_capacity() {
    let mut s = with(SitePolicy::FreeCapacity { hysteresis: 2 });
    staff_city(&mut s, "lviv", 4);
    staff_city(&mut s, "kyiv", 1);
    assert_eq!(city_of(&mut s, "c1"), "lviv");
    s.must("node-1", SiteCommand::Suspect { site: site("lviv") });
    assert_eq!(city_of(&mut s, "c2"), "kyiv");
}
