//! Scores of a model on what it never learns from.

/// Which way a score gets better.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Better {
    /// A loss or an error.
    Lower,
    /// A share of what is right.
    Higher,
}

/// One number about a model.
#[derive(Debug, Clone, PartialEq)]
pub struct Score {
    /// Its name in the log, by which `loop.keep_best` asks for it.
    pub name: String,
    /// Its value.
    pub value: f64,
    /// Which way it gets better.
    pub better: Better,
}

impl Score {
    /// A part of a held-out loss. Overlaps (`mask.iou`, `mask.best_iou`) are logged beside losses.
    pub fn of_loss(name: impl Into<String>, value: f64) -> Self {
        let name = name.into();
        let overlap = matches!(name.rsplit('.').next(), Some("iou" | "best_iou"));
        Self { name, value, better: if overlap { Better::Higher } else { Better::Lower } }
    }

    /// A mean over answers, each 0 to 1.
    pub fn of_answers(name: &str, value: f64) -> Self {
        Self { name: name.into(), value, better: Better::Higher }
    }
}

/// Scores as a line of the log.
pub(crate) fn line(scores: &[Score]) -> String {
    let each = scores.iter().map(|score| format!("{} {:.3}", score.name, score.value));
    each.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn overlaps_get_better_upwards_and_losses_downwards() {
        let better = |name| Score::of_loss(name, 0.5).better;
        assert_eq!(["mask.iou", "pointing.mask.best_iou"].map(better), [Better::Higher; 2]);
        assert_eq!(["loss", "mask.dice", "box.giou"].map(better), [Better::Lower; 3]);
    }
}
