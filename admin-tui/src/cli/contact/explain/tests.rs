use super::*;
use api::explain_contact_response::Exclusion as Excluded;

const NOW: u64 = 1_801_476_000_000;

fn freshness(applied: u64) -> Option<api::Freshness> {
    Some(api::Freshness { node: 1, applied, now_ms: NOW, ..api::Freshness::default() })
}

fn waiting() -> (api::ExplainContactResponse, api::GetContactResponse, stored::QueueConfig) {
    let excluded = |rule: &str, about: &str, agents| Excluded {
        rule: rule.into(),
        about: about.into(),
        agents,
    };
    let why = api::ExplainContactResponse {
        freshness: freshness(10),
        contact: "c-1".into(),
        queue: "billing".into(),
        stage: "queued".into(),
        waited_ms: 13_000,
        step: 0,
        effective_ms: NOW as i64 - 103_000,
        next_review_ms: Some(NOW + 7_000),
        past_offers: vec![stored::PastOffer {
            agent: "anna".into(),
            offered_ms: NOW - 12_000,
            ended_ms: NOW - 2_000,
            end: stored::OfferEnd::Declined.into(),
            excluded_until_ms: Some(NOW + 58_000),
            ..stored::PastOffer::default()
        }],
        excluded: vec![excluded("busy", "", 2), excluded("skill-missing", "english", 21)],
        ..api::ExplainContactResponse::default()
    };
    let live = api::ContactStatus {
        id: "c-1".into(),
        channel: stored::Channel::Voice.into(),
        priority: 2,
        site: "kyiv".into(),
        ingress: "edge-kyiv".into(),
        stage: "queued".into(),
        arrived_ms: NOW - 13_000,
        entered_queue_ms: NOW - 13_000,
        ahead: Some(4),
        ..api::ContactStatus::default()
    };
    let place = api::GetContactResponse {
        freshness: freshness(9),
        live: Some(live),
        ..api::GetContactResponse::default()
    };
    let queue = stored::QueueConfig {
        steps: vec![
            stored::Step::default(),
            stored::Step {
                after_ms: 20_000,
                extra_queues: vec!["general".into()],
                head_start_ms: 10_000,
                ..stored::Step::default()
            },
        ],
        offer_timeout_ms: 20_000,
        ..stored::QueueConfig::default()
    };
    (why, place, queue)
}

fn story(
    (why, place, queue): (
        api::ExplainContactResponse,
        api::GetContactResponse,
        stored::QueueConfig,
    ),
) -> Story {
    Story::of(why, place, Some(queue), false).expect("complete")
}

#[test]
fn the_story_of_a_waiting_contact_reads_like_one() {
    let story = story(waiting());
    assert_eq!(story.freshness.applied, 9, "as old as the oldest of its parts");
    let text = story.table();
    let told: Vec<_> = text.lines().take(20).collect();
    assert_eq!(
        told,
        [
            "contact c-1: queued in billing",
            "  voice, priority 2, at kyiv, by edge-kyiv",
            "  arrived 2027-02-01 09:59:47Z, 13s ago",
            "  its place is as if it had arrived 1m 30s earlier",
            "  4 contacts wait in an earlier place",
            "  in this queue for 13s, in step 1 of 2",
            "",
            "next",
            "  2027-02-01 10:00:07Z, in 7s: it reaches step 2: also agents who serve general; \
             10s ahead in the queue",
            "",
            "why no agent has it, of 23 agents",
            "      21 without the skill english, or with too little of it",
            "       2 with as much as they can handle at once",
            "",
            "offers that came to nothing",
            "  2027-02-01 09:59:48Z  anna: declined after 10s",
            "    not offered it again for another 58s",
            "",
            "NO LEADER that node 1 knows of: this may be out of date",
            told.last().copied().unwrap_or_default(),
        ]
    );
}

#[test]
fn what_comes_next_is_what_comes_at_that_time() {
    let next = |change: fn(&mut api::ExplainContactResponse, &mut stored::QueueConfig)| {
        let (mut why, place, mut queue) = waiting();
        change(&mut why, &mut queue);
        let story = story((why, place, queue));
        (story.next.kind, story.next.text)
    };
    let (kind, text) = next(|why, _| why.next_review_ms = Some(NOW + 58_000));
    assert_eq!((kind, &*text), (Some("cool-down"), "anna may be offered it again"));
    let (kind, _) = next(|_, queue| {
        queue.steps.truncate(1);
        let policy = stored::site_policy::LocalFirst { spill_after_ms: 20_000 };
        let policy = Some(stored::site_policy::Policy::LocalFirst(policy));
        queue.site_policy = Some(stored::SitePolicy { policy });
    });
    assert_eq!(kind, Some("spill"));
    let (kind, _) = next(|why, _| why.next_review_ms = Some(NOW + 1));
    assert_eq!(kind, Some("preferred"));
    let (kind, text) = next(|why, _| why.next_review_ms = None);
    assert_eq!((kind, &*text), (None, "an agent gets free, or the customer leaves"));
    let (kind, text) = next(|why, _| {
        why.stage = "offered".into();
        why.with = Some(stored::Engagement {
            agent: "petro".into(),
            offered_ms: NOW - 5_000,
            ..stored::Engagement::default()
        });
    });
    assert_eq!(kind, Some("offer-timeout"));
    assert_eq!(text, "it goes back to its place, if petro has not answered");
}

#[test]
fn a_place_is_told_by_how_it_came_about() {
    assert_eq!(place_text(5_000, 5_000), "its place is by its arrival");
    assert_eq!(place_text(100_000, 10_000), "its place is as if it had arrived 1m 30s earlier");
    let strict = acd::limits::HEAD_START_STRICT.0;
    assert_eq!(
        place_text(NOW, (NOW - strict) as i64),
        "its place is before all without strict priority"
    );
    assert_eq!(place_text(0, -5), "its place is before all without strict priority");
}

#[test]
fn a_contact_that_is_over_is_told_as_such() {
    let id = ContactId::new("c-1").expect("an id");
    let closed = stored::ClosedContact {
        closed_ms: NOW - 60_000,
        outcome: stored::Outcome::Abandoned.into(),
        ..stored::ClosedContact::default()
    };
    let place = |closed| api::GetContactResponse {
        freshness: freshness(9),
        closed,
        ..api::GetContactResponse::default()
    };
    let text = Over::of(&id, place(Some(closed))).expect("known").table();
    assert!(
        text.starts_with("contact c-1: closed: the customer left before an answer, "),
        "{text}"
    );
    let unknown = Over::of(&id, place(None)).expect_err("unknown");
    assert_eq!(unknown.code, ErrorCode::NotFound);
}
