//! How a prompt is looked at once more.

use serde::{Deserialize, Serialize};

/// How a part of the picture is looked at once more.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CloserLook {
    /// How many times as wide as the prompt's longer side the part is.
    pub margin: f32,
    /// How many times as large a thing must become for the part to be worth a look.
    pub least_zoom: f32,
    /// For a click, how many times as wide the part is as what its proposals cover together; clicks
    /// are not looked at more closely when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub click_margin: Option<f32>,
    /// For what words alone have found, how many times as wide the part is as that, which is looked at
    /// as if it had been painted; it is not when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub words_margin: Option<f32>,
    /// For a box, how much the look at the whole picture counts beside the closer one, 0 to 1: it
    /// knows more of what is around.
    #[serde(default)]
    pub whole_share: f32,
}

impl CloserLook {
    /// What is wrong with it, if anything is.
    pub(super) fn check(&self) -> Result<(), &'static str> {
        let Self { margin, least_zoom, click_margin, words_margin, whole_share } = *self;
        let loose = [click_margin, words_margin].map(|size| size.unwrap_or(margin));
        let sizes = [margin, least_zoom].into_iter().chain(loose);
        if !sizes.into_iter().all(|v| (1.0..=100.0).contains(&v)) {
            return Err("margin, least_zoom, click_margin and words_margin must be 1 to 100");
        }
        if !(0.0..=1.0).contains(&whole_share) {
            return Err("whole_share must be 0 to 1");
        }
        Ok(())
    }
}
