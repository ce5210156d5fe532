//! Columns that stand under each other, whatever the script.

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use super::plain;

/// Cells a column is wide at most; what is longer is cut, with `…`. Ids fit.
const COLUMN_WIDTH_MAX: usize = 64;
/// Between columns.
const GAP: &str = "  ";

/// A column.
#[derive(Clone, Copy)]
pub(crate) struct Column {
    name: &'static str,
    right: bool,
}

/// A column of text.
pub(crate) const fn left(name: &'static str) -> Column {
    Column { name, right: false }
}

/// A column of numbers.
pub(crate) const fn right(name: &'static str) -> Column {
    Column { name, right: true }
}

/// Rows under a header.
pub(crate) struct Table<const N: usize> {
    columns: [Column; N],
    rows: Vec<[String; N]>,
}

impl<const N: usize> Table<N> {
    /// A table without rows.
    pub(crate) fn new(columns: [Column; N]) -> Self {
        Self { columns, rows: Vec::new() }
    }

    /// Adds a row.
    pub(crate) fn row(&mut self, cells: [String; N]) {
        self.rows.push(cells.map(|cell| cut(&plain(&cell))));
    }

    /// The text: the header and a line a row. Without rows, `nothing`.
    pub(crate) fn text(&self, nothing: &str) -> String {
        if self.rows.is_empty() {
            return format!("{nothing}\n");
        }
        let widths: [usize; N] = std::array::from_fn(|at| {
            let cells = self.rows.iter().map(|row| row[at].width());
            cells.max().unwrap_or(0).max(self.columns[at].name.width())
        });
        let mut text = String::new();
        self.write(&mut text, &widths, |at| self.columns[at].name);
        for row in &self.rows {
            self.write(&mut text, &widths, |at| &row[at]);
        }
        text
    }

    fn write<'a>(&self, text: &mut String, widths: &[usize; N], cell: impl Fn(usize) -> &'a str) {
        let start = text.len();
        for (at, width) in widths.iter().enumerate() {
            let cell = cell(at);
            let padding = " ".repeat(width.saturating_sub(cell.width()));
            let gap = if at == 0 { "" } else { GAP };
            let (before, after) = if self.columns[at].right {
                (padding, String::new())
            } else {
                (String::new(), padding)
            };
            for part in [gap, &before, cell, &after] {
                text.push_str(part);
            }
        }
        let end = start + text[start..].trim_end().len();
        text.truncate(end);
        text.push('\n');
    }
}

/// A thing and what is true of it, a line a fact.
#[derive(Default)]
pub(crate) struct Facts {
    facts: Vec<(String, String)>,
}

impl Facts {
    /// Adds a fact.
    pub(crate) fn fact(&mut self, name: &str, value: impl Into<String>) -> &mut Self {
        self.facts.push((plain(name).into_owned(), plain(&value.into()).into_owned()));
        self
    }

    /// The text: names in a column, values beside them.
    pub(crate) fn text(&self) -> String {
        let width = self.facts.iter().map(|(name, _)| name.width()).max().unwrap_or(0);
        let mut text = String::new();
        for (name, value) in &self.facts {
            let padding = " ".repeat(width - name.width());
            let line = format!("{name}{padding}{GAP}{value}");
            text.push_str(line.trim_end());
            text.push('\n');
        }
        text
    }
}

/// The text, cut to the widest column there may be.
fn cut(text: &str) -> String {
    if text.width() <= COLUMN_WIDTH_MAX {
        return text.to_owned();
    }
    let mut width = 0;
    let fits = |c: &char| {
        width += c.width().unwrap_or(0);
        width < COLUMN_WIDTH_MAX
    };
    let mut cut: String = text.chars().take_while(fits).collect();
    cut.push('…');
    cut
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_stand_under_each_other_in_any_script() {
        let mut table = Table::new([left("NAME"), right("WAITING")]);
        table.row(["Київ".into(), "7".into()]);
        table.row(["電話受付".into(), "1204".into()]);
        table.row(["e\u{301}te\u{301}".into(), "0".into()]);
        assert_eq!(
            table.text("none"),
            "NAME      WAITING\n\
             Київ            7\n\
             電話受付     1204\n\
             e\u{301}te\u{301}             0\n"
        );
        let lines = table.text("none");
        assert!(lines.lines().all(|line| line.width() == 17), "{lines}");
    }

    #[test]
    fn a_cell_cannot_break_the_table() {
        let mut table = Table::new([left("NAME"), left("STATE")]);
        table.row(["a\nb\u{1b}[2J".into(), String::new()]);
        table.row(["x".repeat(300), "free".into()]);
        let text = table.text("none");
        assert_eq!(text.lines().count(), 3);
        assert!(!text.contains('\u{1b}') && text.contains("x…  free"), "{text}");
        assert_eq!(Table::new([left("NAME")]).text("no agents"), "no agents\n");
    }

    #[test]
    fn facts_stand_beside_their_names() {
        let mut facts = Facts::default();
        facts.fact("id", "kyiv").fact("leader priority", "90").fact("drain", "");
        assert_eq!(facts.text(), "id               kyiv\nleader priority  90\ndrain\n");
    }
}
