//! What can be wrong with a centre file.

use acd::rejection::Rejection;

/// What is wrong with a centre file, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CentreFileError {
    /// The text is no TOML, or not that of a centre.
    #[error("line {line}, column {column}: {message}")]
    Toml {
        /// Line, from 1.
        line: usize,
        /// Column in characters, from 1.
        column: usize,
        /// What is wrong there.
        message: String,
    },
    /// An entry is refused for what it says.
    #[error("{entry}: {why}")]
    Refused {
        /// The entry: `queue ps`.
        entry: String,
        /// Why.
        why: Rejection,
    },
    /// Two entries have one id.
    #[error("{entry} is there twice")]
    Twice {
        /// The entry.
        entry: String,
    },
    /// An entry refers to something that is not in the file.
    #[error("{entry} names the {kind} {id}, which is not in the file")]
    UnknownReference {
        /// The entry.
        entry: String,
        /// Kind of what it refers to.
        kind: &'static str,
        /// Its id.
        id: String,
    },
    /// A centre made by a program holds something that cannot be written.
    #[error("the centre cannot be written: {what}")]
    NotWritable {
        /// What.
        what: String,
    },
}

impl CentreFileError {
    /// Says where in `text` the error is.
    pub(super) fn from_toml(error: &toml::de::Error, text: &str) -> Self {
        // An error without a place is about the file as a whole, which begins at its beginning.
        let offset = error.span().map_or(0, |span| span.start);
        let before = text.get(..offset).unwrap_or(text);
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        Self::Toml {
            line: before.matches('\n').count() + 1,
            column: before[line_start..].chars().count() + 1,
            message: error.message().trim_end().replace('\n', "; "),
        }
    }

    /// What to do about it.
    pub fn remedy(&self) -> String {
        match self {
            Self::Toml { line, .. } => format!("correct line {line}"),
            Self::Refused { entry, .. } => format!("correct the entry of {entry}"),
            Self::Twice { entry } => format!("keep one entry of {entry}"),
            Self::UnknownReference { kind, id, .. } => {
                format!("add a [[{kind}]] with id = \"{id}\", or name one that is there")
            }
            Self::NotWritable { .. } => "report this with the command that led to it".into(),
        }
    }
}
