//! Whether everything that is sealed can be opened with the keys of this installation.

use super::Report;
use crate::commands::keys::LOST;
use store::KeyUse;

pub(super) fn report_uses(uses: &[KeyUse], report: &mut Report) {
    const WHAT: &str = "keys";
    let missing: Vec<String> = uses
        .iter()
        .filter(|key| !key.is_known)
        .map(|key| format!("{} secrets are sealed with the key {:?}", key.count(), key.key_id))
        .collect();
    if !missing.is_empty() {
        report.fail(WHAT, &format!("{}, which is not in POSTROOM_SECRET_KEY", missing.join(", ")), LOST);
        return;
    }
    let old: u64 = uses.iter().skip(1).map(KeyUse::count).sum();
    if old > 0 {
        report.note(
            WHAT,
            &format!(
                "{old} secrets are sealed with a key that is not the first; `postroom keys rotate` seals them anew"
            ),
        );
    } else {
        report.ok(WHAT, "every secret is sealed with the first key");
    }
}
