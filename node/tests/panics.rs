//! A panic ends the process, unless it is contained.

#![allow(clippy::disallowed_methods, reason = "a test runs on this machine's clocks and tasks")]

use std::process::{Command, Output};
use std::time::Duration;

use node::panics;

/// Runs a test of this program in a process of its own.
fn run(test: &str) -> Output {
    let mut child = Command::new(std::env::current_exe().unwrap());
    child.args(["--exact", test, "--ignored", "--nocapture"]).output().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "ends its process; run by the test below"]
async fn panics_in_a_task() {
    panics::end_the_process();
    assert!(panics::contain(|| panic!("contained")).is_err());
    let own = std::thread::Builder::new().name("sled-io-1".into());
    let own = own.spawn(|| panic!("in a thread of the index")).unwrap();
    assert!(own.join().is_err());
    eprintln!("going on");
    drop(tokio::spawn(async { panic!("a fault of the program") }));
    tokio::time::sleep(Duration::from_secs(60)).await;
    eprintln!("still there");
}

#[test]
fn a_task_that_panics_ends_the_process_and_the_index_does_not() {
    let output = run("panics_in_a_task");
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(panics::EXIT_CODE), "{said}");
    assert!(said.contains("going on") && !said.contains("still there"), "{said}");
    assert!(said.contains("a fault of the program") && said.contains("E-FAULT"), "{said}");
}
