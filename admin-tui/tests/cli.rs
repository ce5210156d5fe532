//! The program as a user meets it: exit codes, what goes to which stream, pipes.

use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

const LOG: &str = "vru+line\tcall_id\tcustomer_id\tpriority\ttype\tdate\tvru_entry\tvru_exit\t\
vru_time\tq_start\tq_exit\tq_time\toutcome\tser_start\tser_exit\tser_time\tserver\r
AA0101\t1\t0\t0\tPS\t990201\t7:02:47\t7:02:56\t9\t0:00:00\t0:00:00\t0\tAGENT\t7:02:55\t7:05:41\t\
166\tDORIT\r
AA0101\t2\t0\t2\tNW\t990201\t8:09:16\t8:09:22\t6\t8:09:22\t8:09:27\t5\tHANG\t0:00:00\t0:00:00\t0\t\
NO_SERVER\r
AA0101\t3\t0\t2\tNW\t990201\t8:09:16\t8:09:22\t6\t8:09:22\t8:0";

/// Writes a file that only this test uses.
fn file(name: &str, content: &str) -> PathBuf {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    std::fs::write(&path, content).expect("the target directory is writable");
    path
}

fn replay(file: &PathBuf, args: &[&str]) -> Output {
    quorumcall().arg("replay").arg(file).args(args).output().expect("the program starts")
}

fn quorumcall() -> Command {
    Command::new(env!("CARGO_BIN_EXE_quorumcall"))
}

fn text(bytes: &[u8]) -> &str {
    str::from_utf8(bytes).expect("UTF-8")
}

#[test]
fn a_printed_centre_is_a_centre_file() {
    let log = file("printed-centre.tsv", LOG);
    let output = replay(&log, &["--print-centre", "--cities", "odesa"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let centre = admin_tui::centre_file::CentreFile::parse(text(&output.stdout)).expect("readable");
    let agents: Vec<_> = centre.agents.iter().map(|agent| agent.id.0.as_str()).collect();
    assert_eq!((agents, centre.sites.len(), centre.queues.len()), (vec!["dorit"], 1, 2));
    assert_eq!(replay(&log, &["--print-centre", "--cities", "odesa"]).stdout, output.stdout);
}

#[test]
fn a_result_counts_every_line() {
    let log = file("result.tsv", LOG);
    let output = replay(&log, &["--local", "-o", "json"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let result: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!((&result["data_lines"], &result["parsed"]), (&3.into(), &2.into()));
    assert_eq!(result["skipped"]["wrong-column-count"], 1);
    assert_eq!(result["real"]["service_level_negative"], 0.5);
    assert!(text(&replay(&log, &["--local"]).stdout).contains("wrong-column-count"));
}

#[test]
fn the_calls_of_the_bank_are_replayed_alike_each_time() {
    let Some(path) = std::env::var_os("QUORUMCALL_CALLS").map(PathBuf::from) else {
        println!("skipped: QUORUMCALL_CALLS does not name the bank's call log");
        return;
    };
    let output = replay(&path, &["--local", "-o", "json"]);
    let result: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let lines = |value: &serde_json::Value| value.as_u64().expect("a number");
    let skipped = result["skipped"].as_object().expect("reasons").values().map(lines).sum::<u64>();
    assert_eq!(lines(&result["parsed"]) + skipped, 17_456, "every line is accounted for");
    let replayed = &result["replayed"];
    assert_eq!(lines(&replayed["offered"]), lines(&result["real"]["offered"]));
    let ended = lines(&replayed["answered"]) + lines(&replayed["abandoned"]);
    assert_eq!(ended + lines(&replayed["waiting"]), lines(&replayed["offered"]));
    assert_eq!((&replayed["lost"], &replayed["double_offered"]), (&0.into(), &0.into()));
    assert_eq!(replay(&path, &["--local", "-o", "json"]).stdout, output.stdout);

    let asked = replayed["longest_waits"][0]["contact"].as_str().expect("an id");
    let output = replay(&path, &["--local", "--explain", asked]);
    assert!(text(&output.stdout).contains("this agent because"), "{}", text(&output.stdout));
}

#[test]
fn a_failure_has_a_code_a_reason_and_a_remedy_on_stderr() {
    let log = file("failure.tsv", LOG);
    let header = LOG.split('\n').next().expect("a header");
    let nothing = file("nothing.tsv", header);
    let nobody = file("nobody.tsv", &LOG.replace("DORIT", "NO_SERVER"));
    let other = file("other.tsv", "name\tage\nAnna\t30\n");
    let empty = file("empty.tsv", "");
    let directory = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
    let missing = directory.join("missing.tsv");
    let long = "a".repeat(63);
    for (path, args, code, exit) in [
        (&missing, &[][..], "E-FILE-MISSING", 2),
        (&directory, &[], "E-FILE-IS-DIRECTORY", 2),
        (&other, &[], "E-NOT-A-CALL-LOG", 2),
        (&empty, &[], "E-NOT-A-CALL-LOG", 2),
        (&nothing, &[], "E-NO-CALLS", 2),
        (&nobody, &[], "E-NO-AGENTS", 2),
        (&log, &["--local", "--explain", "nobody"], "E-NO-SUCH-CALL", 2),
        (&log, &["--cities", "kyiv,kyiv"], "E-BAD-CITIES", 2),
        (&log, &["--cities", &long], "E-BAD-CITIES", 2),
        (&log, &["--identity", "nobody.identity"], "E-BAD-IDENTITY", 2),
    ] {
        let output = replay(path, args);
        let stderr = text(&output.stderr);
        assert_eq!(output.status.code(), Some(exit), "{stderr}");
        assert!(stderr.starts_with(&format!("error {code}: ")), "{stderr}");
        assert!(stderr.contains("\n  why: ") && stderr.contains("\n  do:  "), "{stderr}");
        assert_eq!(text(&output.stdout), "");
    }
}

#[test]
fn a_wrong_use_ends_with_2_and_help_with_0() {
    for (args, exit) in
        [(&["replay"][..], 2), (&[], 2), (&["replay", "f", "--speed", "0"], 2), (&["--help"], 0)]
    {
        let output = quorumcall().args(args).output().expect("the program starts");
        assert_eq!(output.status.code(), Some(exit), "{args:?}");
        assert_eq!(output.stdout.is_empty(), exit != 0, "{args:?}");
    }
}

#[test]
fn a_reader_that_has_gone_is_no_failure() {
    let log = file("pipe.tsv", LOG);
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    let mut command = quorumcall();
    command.arg("replay").arg(log).arg("--print-centre").stdout(writer).stderr(Stdio::piped());
    let output = command.output().expect("the program starts");
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(text(&output.stderr), "");
}
