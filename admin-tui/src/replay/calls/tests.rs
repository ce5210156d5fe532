use super::*;
use crate::replay::real_log;

const HEADER: &str = "vru+line\tcall_id\tcustomer_id\tpriority\ttype\tdate\tvru_entry\tvru_exit\t\
                      vru_time\tq_start\tq_exit\tq_time\toutcome\tser_start\tser_exit\tser_time\t\
                      server";
/// Queued for 13 s, served for 60 s.
const QUEUED: &str = "AA0101\t1\t24442634\t2\tPS\t990202\t13:44:47\t13:44:53\t6\t13:44:53\t\
                      13:45:06\t13\tAGENT\t13:45:05\t13:46:05\t60\tYIFAT";
/// Answered at once, served for 166 s.
const AT_ONCE: &str = "AA0101\t2\t0\t0\tNW\t990201\t7:02:47\t7:02:56\t9\t0:00:00\t0:00:00\t0\t\
                       AGENT\t7:02:55\t7:05:41\t166\tDORIT";
/// Hung up after 5 s in the queue.
const HANG: &str = "AA0101\t3\t0\t1\tIN\t990201\t8:09:16\t8:09:22\t6\t8:09:22\t8:09:27\t5\tHANG\t\
                    0:00:00\t0:00:00\t0\tNO_SERVER";

fn read(lines: &[&str]) -> CallLog {
    let text = format!("{HEADER}\r\n{}\r\n", lines.join("\r\n"));
    CallLog::read(text.as_bytes()).expect("a call log")
}

/// Reads one line with one field replaced.
fn with(line: &str, column: &str, value: &str) -> Result<Call, SkipReason> {
    let at = HEADER.split('\t').position(|name| name == column).expect("a column");
    let mut fields: Vec<_> = line.split('\t').collect();
    fields[at] = value;
    let mut log = read(&[&fields.join("\t")]);
    assert_eq!(log.data_lines, 1);
    match log.calls.pop() {
        Some(call) => Ok(call),
        None => Err(*log.skipped.keys().next().expect("counted")),
    }
}

fn skipped(log: &CallLog) -> Vec<(&'static str, u64)> {
    log.skipped.iter().map(|(reason, count)| (reason.slug(), *count)).collect()
}

#[test]
fn a_queued_call_arrives_when_it_entered_the_queue() {
    let log = read(&[QUEUED]);
    let call = &log.calls[0];
    assert_eq!(call.id.as_str(), "AA0101-1-990202");
    assert_eq!((call.line_number, call.customer, call.priority.get()), (2, Some(24_442_634), 2));
    assert_eq!((call.kind, call.date), (CallType::Regular, jiff::civil::date(1999, 2, 2)));
    assert_eq!(call.arrival(), LogTime(917_963_093_000));
    assert_eq!(call.waited(), Millis::seconds(13));
    assert_eq!(call.wait_end(), LogTime(917_963_106_000));
    assert_eq!(call.patience(), None);
    assert_eq!(call.handle_time(), Some(Millis::seconds(60)));
    let Ending::Answered { server: Some(server), .. } = &call.ending else { panic!("{call:?}") };
    assert_eq!(server.as_str(), "yifat");
}

#[test]
fn a_call_that_never_queued_arrives_when_the_voice_response_unit_let_go() {
    let log = read(&[AT_ONCE]);
    let call = &log.calls[0];
    assert_eq!((call.arrival(), call.queued), (call.vru_exit, None));
    assert_eq!(call.waited(), Millis::ZERO);
    assert_eq!(call.handle_time(), Some(Millis::seconds(166)));
}

#[test]
fn a_caller_who_hung_up_had_the_patience_of_the_queue_time() {
    let log = read(&[HANG]);
    assert_eq!(log.calls[0].patience(), Some(Millis::seconds(5)));
    assert_eq!(log.calls[0].handle_time(), None);
    let at_once = HANG.replace("8:09:27\t5", "8:09:22\t0");
    assert_eq!(read(&[&at_once]).calls[0].patience(), Some(Millis::ZERO));
}

#[test]
fn calls_come_in_order_of_arrival() {
    let log = read(&[QUEUED, AT_ONCE, HANG]);
    let lines: Vec<_> = log.calls.iter().map(|call| call.line_number).collect();
    assert_eq!(lines, [3, 4, 2]);
}

#[test]
fn what_is_no_call_is_counted_under_its_reason() {
    let phantom = HANG.replace("HANG", "PHANTOM");
    let in_the_vru = HANG.replace("8:09:22\t8:09:27\t5", "0:00:00\t0:00:00\t0");
    let log = read(&[QUEUED, &phantom, &in_the_vru, "", "  ", QUEUED, "AA0101\t1", HANG]);
    assert_eq!(
        skipped(&log),
        [
            ("phantom", 1),
            ("hang-before-queue", 1),
            ("blank", 2),
            ("wrong-column-count", 1),
            ("duplicate-id", 1),
        ]
    );
    assert_eq!((log.calls.len(), log.data_lines), (2, 8));
}

#[test]
fn a_field_that_cannot_be_read_has_its_own_reason() {
    use SkipReason as R;
    for (column, value, reason) in [
        ("vru+line", "", R::BadId),
        ("vru+line", "AA 01", R::BadId),
        ("call_id", "12a", R::BadId),
        ("customer_id", "12a", R::BadNumber),
        ("customer_id", "-1", R::BadNumber),
        ("customer_id", "x.E+11", R::BadNumber),
        ("priority", "10", R::BadPriority),
        ("priority", "high", R::BadNumber),
        ("type", "XX", R::UnknownType),
        ("type", "", R::UnknownType),
        ("date", "990230", R::BadDate),
        ("vru_entry", "25:61:00", R::BadTime),
        ("vru_exit", "", R::BadTime),
        ("q_start", "noon", R::BadTime),
        ("q_exit", "13:44:52", R::ImpossibleTimes),
        ("q_time", "14", R::ImpossibleTimes),
        ("q_time", "13.5", R::BadNumber),
        ("q_time", "99999999999999999999", R::BadNumber),
        ("q_time", "18446744073709551615", R::ImpossibleTimes),
        ("outcome", "", R::UnknownOutcome),
        ("outcome", "agent", R::UnknownOutcome),
        ("ser_exit", "13:45:00", R::ImpossibleTimes),
        ("ser_time", "+60", R::BadNumber),
        ("server", "", R::BadServer),
        ("server", "?", R::BadServer),
    ] {
        assert_eq!(with(QUEUED, column, value), Err(reason), "{column} = {value:?}");
    }
}

#[test]
fn dirt_that_a_replay_can_live_with_is_no_reason() {
    let call = with(QUEUED, "customer_id", "6.02701E+11").expect("a call");
    assert_eq!(call.customer, None, "a spreadsheet ate the customer");
    let call = with(QUEUED, "server", "NO_SERVER").expect("a call");
    assert!(matches!(call.ending, Ending::Answered { server: None, service: Some(_) }));
    let call = with(QUEUED, "vru_entry", "13:45:40").expect("a call");
    assert!(call.vru_exit < call.vru_entry, "a clock was set back");
    let untimed = QUEUED.replace("13:45:05\t13:46:05\t60", "0:00:00\t0:00:00\t0");
    assert_eq!(read(&[&untimed]).calls[0].handle_time(), Some(Millis::ZERO));
    let served_after_hanging_up = HANG.replace("0:00:00\t0:00:00\t0", "8:09:26\t8:09:30\t4");
    assert_eq!(read(&[&served_after_hanging_up]).calls[0].handle_time(), None);
}

#[test]
fn a_call_goes_on_past_midnight() {
    let over = "AA0115\t14375\t25245705\t1\tPS\t990210\t23:59:56\t23:59:56\t0\t0:00:02\t0:00:29\t\
                27\tAGENT\t0:00:29\t0:00:58\t29\tBENSION";
    let log = read(&[over, &over.replace("0:00:29\t0:00:58", "24:00:29\t24:00:58")]);
    let call = &log.calls[0];
    assert_eq!(call.arrival().since(call.vru_exit), Millis::seconds(6));
    assert_eq!(call.wait_end().since(call.vru_entry), Millis::seconds(33));
    assert_eq!(skipped(&log), [("duplicate-id", 1)], "both ways to write it are read");
}

#[test]
fn a_line_truncated_at_the_end_of_the_file_is_counted() {
    let text = format!("{HEADER}\n{AT_ONCE}\n{}", &QUEUED[..60]);
    let log = CallLog::read(text.as_bytes()).expect("a call log");
    assert_eq!((log.calls.len(), skipped(&log)), (1, vec![("wrong-column-count", 1)]));
    let whole = format!("{HEADER}\n{AT_ONCE}\n{QUEUED}");
    let log = CallLog::read(whole.as_bytes()).expect("a call log");
    assert_eq!((log.calls.len(), log.data_lines), (2, 2), "a missing last line end is no loss");
}

#[test]
fn a_huge_line_and_bytes_that_are_no_text_spoil_only_themselves() {
    let mut input = format!("{HEADER}\n{}\n", "x".repeat(1_000_000)).into_bytes();
    input.extend_from_slice(b"\xff\xfe\tAA\n");
    input.extend_from_slice(QUEUED.as_bytes());
    let log = CallLog::read(input.as_slice()).expect("a call log");
    assert_eq!(skipped(&log), [("line-too-long", 1), ("not-utf8", 1)]);
    assert_eq!((log.calls.len(), log.calls[0].line_number), (1, 4));
}

#[test]
fn columns_are_found_by_name() {
    let swap = |line: &str| {
        let mut fields: Vec<_> = line.split('\t').collect();
        fields.reverse();
        format!("{}\textra", fields.join("\t"))
    };
    let text = format!("\u{feff}{}\n{}\n", swap(HEADER), swap(QUEUED));
    assert_eq!(CallLog::read(text.as_bytes()).expect("a call log").calls, read(&[QUEUED]).calls);
}

#[test]
fn a_file_that_is_no_call_log_is_refused() {
    let refused = |input: &[u8]| CallLog::read(input).expect_err("no call log").to_string();
    assert_eq!(refused(b""), "the file is empty");
    assert_eq!(refused(b"\xff\n"), "the first line is not UTF-8 text");
    assert_eq!(refused(&[b'x'; 10_000]), "the first line is longer than 4,096 bytes");
    let renamed = HEADER.replace("q_exit", "queue_exit").replace("server", "agent");
    assert_eq!(
        refused(renamed.as_bytes()),
        "the first line does not name the column q_exit, server"
    );
    let twice = format!("{HEADER}\tdate");
    assert_eq!(refused(twice.as_bytes()), "the first line names the column \"date\" twice");
}

#[test]
fn a_file_that_never_ends_does_end() {
    use std::io::Read;
    let lines = std::io::repeat(b'\n').take(DATA_LINES_MAX + 1);
    let header = format!("{HEADER}\n");
    let input = std::io::BufReader::new(header.as_bytes().chain(lines));
    assert!(matches!(CallLog::read(input), Err(CallLogError::TooManyLines)));
}

#[test]
fn every_line_of_the_bank_is_a_call_or_counted() {
    let Some(log) = real_log() else { return };
    assert_eq!(log.data_lines, 17_456);
    assert_eq!(skipped(&log), [("phantom", 143), ("hang-before-queue", 1_023)]);
    assert_eq!(log.calls.len(), 16_290);
    let answered = log.calls.iter().filter(|call| call.handle_time().is_some()).count();
    assert_eq!(answered, 14_405);
}
