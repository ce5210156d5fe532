//! The small configured objects: skills, calendars, principals.

use crate::config::Calendar;
use crate::digest::Digest;
use crate::ids::{Revision, Seq, SkillId};
use crate::roles::Principal;
use crate::table::Entity;
use crate::text::Label;
use crate::time::LogTime;

/// A skill.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Skill {
    /// The id.
    pub id: SkillId,
    /// The name people see.
    pub name: Label,
    /// Revision.
    pub revision: Revision,
}

impl Entity for Skill {
    type Names<'a> = ();
    const KIND: u8 = 5;

    fn key(&self) -> &str {
        self.id.as_str()
    }

    fn digest(&self, (): (), out: &mut Digest) {
        let Self { id, name, revision } = self;
        out.str(id.as_str()).str(name.as_str()).u64(revision.0);
    }
}

/// Opening hours in the state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CalendarEntry {
    /// The calendar.
    pub config: Calendar,
    /// Its number.
    pub seq: Seq,
    /// Revision.
    pub revision: Revision,
    /// When people are told that it runs out; none: they were.
    pub alarm: Option<LogTime>,
}

impl Entity for CalendarEntry {
    type Names<'a> = ();
    const KIND: u8 = 6;

    fn key(&self) -> &str {
        self.config.id.as_str()
    }

    fn digest(&self, (): (), out: &mut Digest) {
        let Self { config: Calendar { id, name, open, covers_until }, seq, revision, alarm } = self;
        out.str(id.as_str()).str(name.as_str()).u64(covers_until.0);
        out.list(open.iter(), |out, i| {
            out.u64(i.start.0).u64(i.end.0);
        });
        out.u64(seq.0).u64(revision.0).option(*alarm, |out, t| {
            out.u64(t.0);
        });
    }
}

impl Entity for Principal {
    type Names<'a> = ();
    const KIND: u8 = 7;

    fn key(&self) -> &str {
        self.id.as_str()
    }

    fn digest(&self, (): (), out: &mut Digest) {
        let Self { id, roles, site, revision } = self;
        out.str(id.as_str()).u8(roles.0).u64(revision.0);
        out.option(site.as_ref(), |out, s| {
            out.str(s.as_str());
        });
    }
}
