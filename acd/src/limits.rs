//! Every limit of the state machine, with the arithmetic behind it.
//!
//! Limits hold new arrivals back. What is already in and returns to a queue is never refused.

use crate::time::Millis;

// -- Text ---------------------------------------------------------------------------------

/// Bytes of a slug (sites, queues, agents, skills): a DNS label, so it fits host names and
/// metric labels.
pub const SLUG_BYTES_MAX: usize = 63;
/// Bytes of a contact id: a SIP Call-ID fits, a UUID fits three times.
pub const CONTACT_ID_BYTES_MAX: usize = 128;
/// Bytes of a display name, reason, disposition or recording reference.
pub const LABEL_BYTES_MAX: usize = 200;
/// Bytes of all attributes of one contact. 200,000 contacts × 4 KiB = 800 MB: the worst case
/// that still fits a small server.
pub const ATTRIBUTES_BYTES_MAX: usize = 4_096;
/// Attributes of one contact.
pub const ATTRIBUTES_MAX: usize = 32;
/// Bytes of an attribute's name.
pub const ATTRIBUTE_NAME_BYTES_MAX: usize = 64;

/// Bytes of a node's address: the longest host name (253), a colon, a port.
pub const ADDRESS_BYTES_MAX: usize = 259;

// -- How many of each -----------------------------------------------------------------------

/// Live contacts in all. At 1 KB each 200 MB; a city of ten million in a crisis.
pub const CONTACTS_MAX: usize = 200_000;
/// Waiting contacts in one queue; a queue's own `length_max` may be lower.
pub const QUEUE_LENGTH_MAX: u32 = 100_000;
/// Agents on the roster. At 1 KB each 128 MB.
pub const AGENTS_MAX: usize = 131_072;
/// Queues. With 5 channels × 8 steps each stays far below [`DEMAND_CLASSES_MAX`] in practice.
pub const QUEUES_MAX: usize = 4_096;
/// Sites (cities).
pub const SITES_MAX: usize = 64;
/// Nodes that are members at one time.
pub const NODES_MAX: usize = 256;
/// Nodes that vote. More make every write slower and no failure more bearable than two at once.
pub const VOTERS_MAX: usize = 5;
/// Tokens to join by that are open at one time.
pub const TOKENS_OPEN_MAX: usize = 64;
/// Tokens that ended and are still told apart from ones that never were. With the open ones 320 of
/// at most 170 bytes, 54 KB, in one item of a snapshot ([`SNAPSHOT_ITEM_BYTES_MAX`]).
pub const TOKENS_ENDED_KEPT: usize = 256;
/// How long at most.
pub const TOKEN_KEPT: Millis = Millis::days(30);
/// How long a token to join by may be good.
pub const TOKEN_TTL_MAX: Millis = Millis::days(7);
/// Skills.
pub const SKILLS_MAX: usize = 4_096;
/// Calendars of opening hours.
pub const CALENDARS_MAX: usize = 256;
/// Open intervals of one calendar: 400 days with 8 openings a day.
pub const CALENDAR_INTERVALS_MAX: usize = 3_200;
/// Principals with roles (people and machines; agents come on top, from the roster).
pub const PRINCIPALS_MAX: usize = 10_000;
/// Skills of one agent.
pub const SKILLS_PER_AGENT_MAX: usize = 64;
/// Queues one agent serves.
pub const QUEUES_PER_AGENT_MAX: usize = 64;
/// Steps of one queue.
pub const STEPS_PER_QUEUE_MAX: usize = 8;
/// Skills required by one step or one contact.
pub const REQUIREMENTS_MAX: usize = 8;
/// Sites or extra queues named in one step.
pub const STEP_LIST_MAX: usize = 16;
/// Contacts of one channel one agent may handle at once.
pub const CAPACITY_PER_CHANNEL_MAX: u8 = 20;
/// Consultations that one contact may have open at once.
pub const CONSULTS_PER_CONTACT_MAX: usize = 4;
/// Transfers of one contact. More is a loop between queues.
pub const TRANSFERS_PER_CONTACT_MAX: u8 = 50;
/// Distinct demands (queue, channel, step, requirement, site scope) that wait at one time.
/// 4,096 × 131,072 agents that are all different = 64 MB of fit bits a direction.
pub const DEMAND_CLASSES_MAX: usize = 4_096;
/// Classes that are kept although they are empty, so that quiet hours do not build the same
/// class anew for each contact.
pub const EMPTY_CLASSES_KEPT: usize = 1_024;
/// Ended offers remembered with a live contact: the answers to repeated declines, the personal
/// exclusions, the reasons that `explain` shows. The oldest leaves first.
pub const PAST_OFFERS_MAX: usize = 16;
/// Times in a row that a front end may fail to say whether it connected a contact; then the
/// contact is stranded. With connect timeouts of 30 s that is after a minute and a half.
pub const BRIDGE_TIMEOUTS_MAX: usize = 3;
/// Contacts in one re-attachment: 1,000 × (128 + 9) bytes fits one message.
pub const REATTACH_CONTACTS_MAX: usize = 1_000;
/// Commands in one log entry.
pub const COMMANDS_PER_ENTRY_MAX: usize = 10_000;
/// Votes in one checkpoint: the voters and learners of a cluster.
pub const CHECKPOINT_VOTES_MAX: usize = 16;
/// Reporting days known in advance.
pub const REPORTING_DAYS_MAX: usize = 800;
/// Bytes of one item of a snapshot. The largest is what there is one of, with 54 KB of tokens to
/// join by and 6 KB of reporting days; a calendar has 3,200 intervals × 18 bytes, 58 KB; a queue
/// with everything its limits let it have is 32 KB.
pub const SNAPSHOT_ITEM_BYTES_MAX: usize = 128 * 1_024;

// -- Memory of what is over ------------------------------------------------------------------

/// Closed contacts whose ids are remembered: 5 minutes at 330 a second, ~200 B each, 20 MB.
pub const REMEMBERED_MAX: usize = 100_000;
/// How long at most.
pub const REMEMBERED_FOR: Millis = Millis::minutes(5);
/// Administrative requests whose first answer is kept. Full refuses rather than forgets.
pub const REQUESTS_MAX: usize = 10_000;
/// How long an administrative request may be retried.
pub const REQUEST_WINDOW: Millis = Millis::minutes(10);

// -- Versions ---------------------------------------------------------------------------------

/// The latest version of the rules that this program knows. A cluster begins at 1.
pub const CLUSTER_VERSION_MAX: u32 = 1;

// -- Time -------------------------------------------------------------------------------------

/// Deadlines that fire in one entry; the rest leads the next one.
pub const DEADLINES_PER_ENTRY_MAX: u32 = 1_000;
/// The longest duration anybody may configure.
pub const DURATION_MAX: Millis = Millis::days(400);
/// The largest stamp: the year 2999.
pub const STAMP_MAX: u64 = 32_472_144_000_000;
/// The head start of `strict` priority: ten years, more than anybody waits.
pub const HEAD_START_STRICT: Millis = Millis::days(3_650);
/// A metrics interval.
pub const INTERVAL: Millis = Millis::minutes(15);
