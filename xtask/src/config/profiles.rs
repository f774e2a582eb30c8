//! The profiles: what `main.js` exports as `profiles`, read from its source since k6 may not be there yet.

use std::path::Path;

use super::javascript::{Key, keys_of};

/// The profiles as far as the source tells. k6 has the last word.
#[derive(Debug, Clone, Default)]
pub struct Profiles {
    /// Those whose names can be read.
    pub known: Vec<Key>,
    /// Whether there may be others, which k6 then knows.
    pub open: bool,
}

/// Reads the profiles of `main_js`.
pub fn read(main_js: &Path) -> Profiles {
    let found = keys_of(main_js, "profiles");
    Profiles {
        known: found.keys,
        open: found.open,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ours_are_all_read() {
        let profiles = read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../load-tests/main.js"));
        let names: Vec<&str> = profiles.known.iter().map(|key| key.name.as_str()).collect();
        assert_eq!(
            names,
            [
                "smoke", "load", "stress", "soak", "spike", "block", "record"
            ]
        );
        assert!(!profiles.open);
        assert_eq!(profiles.known[0].about.as_deref(), Some("Quick smoke test"));
    }
}
