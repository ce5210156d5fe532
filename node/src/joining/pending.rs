//! What a node has drawn at random before it asks to join: `join.pending`.
//!
//! It is on disk before the first question, so that a joiner that was killed asks again as the same
//! one, and it is removed when there is nothing left to ask.

use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use data_encoding::HEXLOWER;
use serde::{Deserialize, Serialize};

use super::{JOINED_FILE, JoinError, Joined, JoinedRecord, Token};
use crate::config::{NodeConfig, Profile};
use crate::founding::{CONFIG_FILE, IDENTITY_FILE};
use crate::identity::{NewKey, parse_hex, read_private, write_private};
use crate::storage::marker::MARKER;

/// In the folder of a node that asks to join.
pub const PENDING_FILE: &str = "join.pending";

/// Who a joiner is until it has an identity.
pub struct Pending {
    folder: PathBuf,
    /// The folder was made for it.
    made: bool,
    /// Nobody can have asked as this one before.
    is_new: bool,
    /// Its key.
    pub key: NewKey,
    /// Which life of its disk it will join with.
    pub incarnation: u128,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    token: String,
    address: String,
    incarnation: String,
    key: String,
}

impl Pending {
    /// Goes on with what is in the folder, or begins; none: the node of this folder has joined.
    ///
    /// # Errors
    ///
    /// [`JoinError::Folder`]: there is something else in it. Nothing was changed then.
    pub fn begin(
        folder: &Path,
        token: &Token,
        incarnation: u128,
        address: &str,
    ) -> Result<Option<Self>, JoinError> {
        let refused = |what, remedy| JoinError::Folder { path: folder.to_owned(), what, remedy };
        let failed = |error| JoinError::File { path: folder.to_owned(), error };
        let path = folder.join(PENDING_FILE);
        let is_there = |file: &str| folder.join(file).exists();
        if path.exists() {
            return Self::go_on(folder, token, address).map(Some);
        }
        if is_there(MARKER) && is_there(IDENTITY_FILE) {
            return Ok(None);
        }
        let made = !folder.exists();
        fs::DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(failed)?;
        let mut there = Vec::new();
        for entry in fs::read_dir(folder).map_err(failed)? {
            there.push(entry.map_err(failed)?.file_name());
        }
        // What a crash in the first moment left, and what a new file system has.
        let unfinished = format!("{PENDING_FILE}.new");
        there.retain(|name| *name != *unfinished && name != "lost+found");
        if !there.is_empty() {
            return Err(refused(
                "there is something in it that is not of a node that joins",
                "name a folder that is empty or not there; a wiped disk joins anew, with a number \
                 of its own",
            ));
        }
        let pending = Self {
            folder: folder.to_owned(),
            made,
            is_new: true,
            key: NewKey::generate()?,
            incarnation,
        };
        let written = Written {
            token: format!("{:032x}", token.hash()),
            address: address.to_owned(),
            incarnation: format!("{incarnation:032x}"),
            key: HEXLOWER.encode(pending.key.serialized()),
        };
        // Three strings: nothing that TOML lacks.
        let text = toml::to_string(&written).expect("TOML");
        write_private(&path, text.as_bytes())?;
        Ok(Some(pending))
    }

    fn go_on(folder: &Path, token: &Token, address: &str) -> Result<Self, JoinError> {
        let path = folder.join(PENDING_FILE);
        let refused = |what, remedy| JoinError::Folder { path: folder.to_owned(), what, remedy };
        let damaged = || {
            refused(
                "its join.pending cannot be read",
                "name another folder; if the token was used, remove the node it made first",
            )
        };
        let text = String::from_utf8(read_private(&path)?).map_err(|_| damaged())?;
        let written: Written = toml::from_str(&text).map_err(|_| damaged())?;
        if parse_hex(&written.token) != Ok(token.hash()) {
            return Err(refused(
                "it belongs to an attempt with another token",
                "use that token, or name another folder",
            ));
        }
        if written.address != address {
            return Err(refused(
                "it belongs to an attempt under another address, which the cluster may know by now",
                "give the same --listen and --address as then, or name another folder",
            ));
        }
        let key = HEXLOWER.decode(written.key.as_bytes()).map_err(|_| damaged())?;
        let incarnation = parse_hex(&written.incarnation).map_err(|_| damaged())?;
        Ok(Self {
            folder: folder.to_owned(),
            made: false,
            is_new: false,
            key: NewKey::parse(&key)?,
            incarnation,
        })
    }

    /// The node's folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Whether nobody can have asked as this one before: what is refused now was never granted.
    pub fn is_new(&self) -> bool {
        self.is_new
    }

    /// Nothing came of it: leaves no trace.
    ///
    /// # Errors
    ///
    /// [`JoinError::File`].
    pub fn undo(self) -> Result<(), JoinError> {
        let remove = |path: PathBuf, how: fn(&Path) -> std::io::Result<()>| match how(&path) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                Err(JoinError::File { path, error })
            }
            _ => Ok(()),
        };
        remove(self.folder.join(PENDING_FILE), |path| fs::remove_file(path))?;
        if self.made {
            remove(self.folder, |path| fs::remove_dir(path))?;
        }
        Ok(())
    }

    /// Writes down who the node has become. It can be run when its disk is made, too
    /// ([`Pending::end`] comes after that).
    ///
    /// # Errors
    ///
    /// What cannot be written, or an answer that makes no sense.
    pub fn settle(
        &self,
        joined: &Joined,
        listen: &str,
        address: &str,
    ) -> Result<NodeConfig, JoinError> {
        let identity = self.key.identity(joined.certificate.clone(), joined.authority.clone())?;
        if identity.node() != Some(joined.node) {
            return Err(JoinError::Answer { what: "the certificate is of another node" });
        }
        let record = JoinedRecord {
            cluster: identity.cluster(),
            node: joined.node,
            incarnation: self.incarnation,
            members: joined.members.clone(),
        };
        let (node, site) = (joined.node, joined.site.clone());
        let mut config = NodeConfig::new(node, site, address, "".into(), Profile::Metro);
        config.timing = joined.timing;
        config.listen = listen.to_owned();
        identity.save(&self.folder.join(IDENTITY_FILE))?;
        write_private(&self.folder.join(CONFIG_FILE), config.to_toml().as_bytes())?;
        write_private(&self.folder.join(JOINED_FILE), record.to_toml().as_bytes())?;
        Ok(config)
    }

    /// All that was pending is done.
    ///
    /// # Errors
    ///
    /// [`JoinError::File`]: the same command may be given again.
    pub fn end(self) -> Result<(), JoinError> {
        let path = self.folder.join(PENDING_FILE);
        fs::remove_file(&path).map_err(|error| JoinError::File { path, error })
    }
}
