//! Objects of one kind of shape, summed up for a page: COCO's rows, curves, categories, and what
//! was taken for what.

use refvlm_metrics::calibration::Calibration;
use refvlm_metrics::coco::confusion::Pairs;
use refvlm_metrics::coco::files::Pictures;
use refvlm_metrics::coco::{Confusion, Detection, Picture, Settings, Shape};
use refvlm_metrics::{Metric, MetricError, Row, gather};
use std::collections::BTreeMap;

/// Bins of the reliability curve.
const BINS: usize = 10;
/// Categories that a table lists; the others are put together.
const MOST_LISTED: usize = 12;

/// A category of the table.
#[derive(Debug, Clone, PartialEq)]
pub struct Class {
    /// Its name.
    pub name: String,
    /// True objects that count.
    pub wanted: u64,
    /// AP over the thresholds, 0 to 1.
    pub precision: f64,
}

/// What is known of the objects of one kind.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Objects {
    /// The kind's name, for example `boxes`.
    pub what: String,
    /// COCO's table.
    pub rows: Vec<Row>,
    /// Overlap that a match needs, and the precision at recalls 0, 0.01, ..., 1.
    pub curves: Vec<(f64, Vec<f64>)>,
    /// Mean confidence, share that is right, and number, by stretches of confidence. Right is what
    /// overlaps by 0.5 and has the true name.
    pub reliability: Vec<(f64, f64, u64)>,
    /// Expected calibration error; none where confidences are not between 0 and 1.
    pub calibration_error: Option<f64>,
    /// The most frequent categories.
    pub classes: Vec<Class>,
    /// Names of the columns of `confusion`; a row more than there are columns: nothing.
    pub names: Vec<String>,
    /// How often the true category of a row was found as that of a column; the last row is what was
    /// found where nothing is, the last column what was not found.
    pub confusion: Vec<Vec<u64>>,
}

impl Objects {
    /// Sums up all pictures. `names` are those of the categories by their ids.
    ///
    /// # Errors
    /// When two shapes cannot be compared.
    pub fn of(
        what: &str,
        pictures: &Pictures,
        names: &BTreeMap<u64, String>,
    ) -> Result<Self, MetricError> {
        match pictures {
            Pictures::Boxes(list) => Self::over(what, list, Settings::objects(), names),
            Pictures::Masks(list) => Self::over(what, list, Settings::objects(), names),
            Pictures::Keypoints(list) => Self::over(what, list, Settings::keypoints(), names),
        }
    }

    fn over<S: Shape>(
        what: &str,
        pictures: &[Picture<S>],
        settings: Settings,
        names: &BTreeMap<u64, String>,
    ) -> Result<Self, MetricError> {
        let metric = gather(
            pictures,
            || Detection::new(settings.clone()),
            |metric: &mut Detection, picture| metric.add(picture),
        )?;
        let mut confusion = Confusion::default();
        pictures.iter().try_for_each(|picture| confusion.add(picture))?;
        let mut calibration = Calibration::new(BINS);
        let fits = confusion.judged.iter().all(|(score, _)| (0.0..=1.0).contains(score));
        if fits {
            confusion.judged.iter().try_for_each(|&judged| calibration.add(judged))?;
        }
        let curve = |(threshold, overlap)| Some((overlap, metric.curve(threshold)?));
        let name = |id: u64| names.get(&id).cloned().unwrap_or_else(|| format!("category {id}"));
        let mut classes: Vec<(u64, Class)> = metric
            .by_category()
            .into_iter()
            .map(|(id, precision, wanted)| (id, Class { name: name(id), wanted, precision }))
            .collect();
        classes.sort_by(|a, b| b.1.wanted.cmp(&a.1.wanted).then(a.0.cmp(&b.0)));
        let listed: Vec<u64> = classes.iter().take(MOST_LISTED).map(|(id, _)| *id).collect();
        let (columns, table) = table(&confusion.pairs, &listed, name);
        Ok(Self {
            what: what.into(),
            rows: metric.rows(),
            curves: [(0, 0.5), (5, 0.75)].into_iter().filter_map(curve).collect(),
            reliability: calibration.curve(),
            calibration_error: calibration.rows().first().and_then(|row| row.value),
            classes: classes.into_iter().map(|(_, class)| class).collect(),
            names: columns,
            confusion: table,
        })
    }
}

/// Counts of the listed categories, all others (where there are any) and nothing.
fn table(
    pairs: &Pairs,
    listed: &[u64],
    name: impl Fn(u64) -> String,
) -> (Vec<String>, Vec<Vec<u64>>) {
    let known = |id: &u64| listed.contains(id);
    let others = pairs.keys().flat_map(|(a, b)| [a, b]).flatten().any(|id| !known(id));
    let mut names: Vec<String> = listed.iter().map(|&id| name(id)).collect();
    names.extend(others.then(|| "all others".to_string()));
    let nothing = names.len();
    let place = |id: Option<u64>| match id {
        None => nothing,
        Some(id) => listed.iter().position(|&known| known == id).unwrap_or(listed.len()),
    };
    let mut table = vec![vec![0; nothing + 1]; nothing + 1];
    for (&(truth, found), &count) in pairs {
        table[place(truth)][place(found)] += count;
    }
    (names, table)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn categories_beyond_the_listed_are_put_together() {
        let pairs = Pairs::from([
            ((Some(1), Some(1)), 5),
            ((Some(1), Some(9)), 2),
            ((Some(8), Some(9)), 3),
            ((None, Some(1)), 4),
            ((Some(1), None), 6),
        ]);
        let (names, counts) = table(&pairs, &[1], |id| format!("c{id}"));
        assert_eq!(names, ["c1", "all others"]);
        assert_eq!(counts, [[5, 2, 6], [0, 3, 0], [4, 0, 0]]);
        let (names, counts) = table(&Pairs::from([((Some(1), Some(1)), 5)]), &[1], |_| "a".into());
        assert_eq!((names.len(), counts), (1, vec![vec![5, 0], vec![0, 0]]));
    }
}
