//! Text that others wrote, on a terminal.

use std::borrow::Cow;

/// What stands for a character that a terminal would obey instead of showing it.
const REPLACEMENT: char = '\u{fffd}';

/// The text without what moves the cursor, changes colours, breaks lines or turns the direction of
/// writing.
pub(crate) fn plain(text: &str) -> Cow<'_, str> {
    if text.chars().any(is_obeyed) {
        text.chars().map(|c| if is_obeyed(c) { REPLACEMENT } else { c }).collect()
    } else {
        Cow::Borrowed(text)
    }
}

/// Controls, line and paragraph separators, and the marks by which right-to-left text can make a
/// line read differently from what it says.
fn is_obeyed(c: char) -> bool {
    c.is_control()
        || matches!(
            c,
            '\u{061c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_terminal_would_obey_is_replaced() {
        assert_eq!(plain("a\u{1b}[2Jb\n\u{202e}c"), "a\u{fffd}[2Jb\u{fffd}\u{fffd}c");
        assert_eq!(plain("\u{9b}31m"), "\u{fffd}31m");
        assert!(matches!(plain("Київ, 電話 🙂"), Cow::Borrowed(_)));
    }
}
