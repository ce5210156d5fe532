//! Identities and authorities on disk.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use acd::ids::{NodeId, PrincipalId};
use node::identity::{Authority, ClusterId, Identity, IdentityError, Validity};
use rand::SeedableRng;
use rand::rngs::StdRng;

const CLUSTER: ClusterId = ClusterId(0xc0de);
const VALID: Validity = Validity { not_before_ms: 1_000_000, not_after_ms: 2_000_000 };

fn authority() -> Authority {
    Authority::create(CLUSTER, VALID, &mut StdRng::seed_from_u64(1)).unwrap()
}

fn node_7(authority: &Authority) -> Identity {
    authority.issue_to_node(NodeId(7), VALID, &mut StdRng::seed_from_u64(2)).unwrap()
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn an_identity_survives_its_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("node.identity");
    let written = node_7(&authority());
    written.save(&path).unwrap();
    assert_eq!(mode(&path), 0o600);
    let read = Identity::load(&path).unwrap();
    assert_eq!(read.cluster(), CLUSTER);
    assert_eq!(read.node(), Some(NodeId(7)));
    assert_eq!(read.certificate(), written.certificate());
    assert_eq!(read.authority(), written.authority());
    read.check(1_500_000).unwrap();
    // Saving again leaves nothing else behind.
    written.save(&path).unwrap();
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn an_authority_issues_the_same_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ca.pem");
    let before = authority();
    before.save(&path).unwrap();
    assert_eq!(mode(&path), 0o600);
    let after = Authority::load(&path).unwrap();
    assert_eq!(after.cluster(), CLUSTER);
    assert_eq!(after.certificate(), before.certificate());
    node_7(&after).check(1_500_000).unwrap();
}

#[test]
fn a_file_that_others_may_read_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("node.identity");
    node_7(&authority()).save(&path).unwrap();
    for open in [0o640, 0o604, 0o620] {
        fs::set_permissions(&path, fs::Permissions::from_mode(open)).unwrap();
        let error = Identity::load(&path).unwrap_err();
        assert!(matches!(error, IdentityError::Exposed { .. }), "{error}");
        assert!(error.to_string().contains("chmod 600"), "{error}");
    }
}

#[test]
fn a_damaged_file_is_refused_without_showing_what_is_in_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("node.identity");
    let (one, other) = (node_7(&authority()), node_7(&authority()));
    one.save(&path).unwrap();
    let good = fs::read_to_string(&path).unwrap();
    other.save(&path).unwrap();
    let foreign = fs::read_to_string(&path).unwrap();
    let key_at = good.find("-----BEGIN PRIVATE KEY").unwrap();
    let foreign_key_at = foreign.find("-----BEGIN PRIVATE KEY").unwrap();
    let secret = good[key_at..].lines().nth(1).unwrap();

    for (damage, why) in [
        (String::new(), "in this order"),
        ("rubbish".to_owned(), "in this order"),
        (good[..key_at].to_owned(), "in this order"),
        (good[..good.len() - 40].to_owned(), "in this order"),
        (good.replacen(secret, &secret.replace(&secret[3..6], "!!!"), 1), "no PEM"),
        (good.replace("PRIVATE KEY", "EC PRIVATE KEY"), "neither"),
        (format!("{}{}", &good[..key_at], &foreign[foreign_key_at..]), "does not belong"),
        ("x".repeat(70_000), "too large"),
    ] {
        node::identity::write_private(&path, damage.as_bytes()).unwrap();
        let error = Identity::load(&path).unwrap_err();
        assert!(error.to_string().contains(why), "{error}");
        assert!(!error.to_string().contains(&secret[..8]), "{error}");
    }
}

#[test]
fn nothing_prints_a_key() {
    let authority = authority();
    let identity = node_7(&authority);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a");
    identity.save(&path).unwrap();
    assert_eq!(
        format!("{identity:?}"),
        "Identity { cluster: 0000000000000000000000000000c0de, principal: node-7, .. }"
    );
    assert_eq!(
        format!("{authority:?}"),
        "Authority { cluster: 0000000000000000000000000000c0de, .. }"
    );
}

#[test]
fn an_identity_knows_when_others_would_refuse_it() {
    let authority = authority();
    let identity = node_7(&authority);
    identity.check(1_000_000).unwrap();
    let early = identity.check(999_000).unwrap_err();
    assert!(early.to_string().contains("not valid yet"), "{early}");
    assert!(early.to_string().contains("1970-01-01T00:16:40Z"), "{early}");
    let late = identity.check(2_001_000).unwrap_err();
    assert!(late.to_string().contains("has expired"), "{late}");
    assert_eq!(identity.expires_s().unwrap(), 2_000);
}

#[test]
fn a_validity_that_cannot_be_is_refused() {
    for valid in [
        Validity { not_before_ms: 2_000, not_after_ms: 1_000 },
        Validity { not_before_ms: 0, not_after_ms: u64::MAX },
    ] {
        let error = authority()
            .issue_to(&PrincipalId::new("anna").unwrap(), valid, &mut StdRng::seed_from_u64(1))
            .unwrap_err();
        assert!(matches!(error, IdentityError::BadValidity), "{error}");
    }
}
