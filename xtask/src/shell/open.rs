//! Shows a page in the browser, by the desktop's own opener.

use std::time::Duration;

use super::{capture, cmd, here};
use crate::ui;

/// The desktop's opener.
const OPENER: &str = if cfg!(target_os = "macos") {
    "open"
} else {
    "xdg-open"
};
/// Starts the opener in a session of its own: it may turn into the browser, which must outlive this program. `setsid --fork`
/// ends before its child has that session, and with it what is left of the group is killed: so the child says when it has.
const DETACHED: &str = if cfg!(target_os = "macos") {
    "exec open \"$1\" >/dev/null 2>&1"
} else {
    "setsid --fork sh -c 'echo; exec xdg-open \"$1\" >/dev/null 2>&1' sh \"$1\" | read -r _ready"
};
/// How long it may take to hand the page over.
const LIMIT: Duration = Duration::from_secs(10);

/// Opens a page or an address. That it cannot be is a notice: it has been printed anyway.
pub fn open(what: &str) {
    if which::which_global(OPENER).is_err() {
        ui::notice(&format!("{OPENER} is not installed: open {what} yourself"));
        return;
    }
    let opened = here().and_then(|sh| capture(cmd!(sh, "sh -c {DETACHED} sh {what}"), LIMIT));
    match opened {
        Ok(captured) if captured.ended.success() => {}
        Ok(captured) => ui::notice(&format!(
            "{OPENER} could not open {what}: {}",
            captured.ended
        )),
        Err(error) => ui::notice(&format!("{what} is not opened: {error:#}")),
    }
}
