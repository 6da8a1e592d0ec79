//! `refvlm score`.

use super::meteor::meteor;
use super::say::say;
use super::{Outcome, foreign, put};
use clap::{Args, ValueEnum};
use refvlm_native::objects::Objects;
use refvlm_native::output::check_files;
use refvlm_native::report::Sheet;
use refvlm_native::scores::coco::detection::Judged;
use refvlm_native::scores::coco::files::{self, Pictures};
use refvlm_native::scores::coco::{Detection, Picture, Settings, Shape};
use refvlm_native::scores::text::{Bleu, Caption, Cider, Pope, Rouge, Vqa, lines};
use refvlm_native::scores::{Metric, MetricError, Row, gather};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Score the predictions of any model: COCO results, or answers as JSON Lines.
#[derive(Debug, Args)]
pub struct Score {
    /// What the model found: a list of COCO results, or JSON Lines of `{"id", "answer"}`.
    predictions: PathBuf,
    /// The truth: COCO's file, or JSON Lines of `{"id", "answer"}` or `{"id", "answers"}`.
    truth: PathBuf,
    /// How the predictions are scored.
    #[arg(long = "as", value_enum)]
    measure: Measure,
    /// Where to write the numbers and the score of each sample, for `refvlm compare`.
    #[arg(long)]
    json: Option<PathBuf>,
    /// Where to write a page with curves, classes and what was taken for what; of COCO results only.
    #[arg(long)]
    html: Option<PathBuf>,
    /// The official archive of METEOR (`meteor-1.5.jar` of pycocoevalcap); adds METEOR to captions.
    /// Needs Java.
    #[arg(long)]
    meteor: Option<PathBuf>,
    /// Replace the file that the command is to write.
    #[arg(long)]
    force: bool,
}

/// What is scored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Measure {
    /// Boxes: COCO's AP and AR.
    Boxes,
    /// Masks: COCO's AP and AR.
    Masks,
    /// Keypoints: COCO's AP and AR by object keypoint similarity.
    Keypoints,
    /// Captions: BLEU, ROUGE-L, CIDEr-D.
    Captions,
    /// Short answers: VQA accuracy.
    Vqa,
    /// Yes and no: accuracy, precision, recall, F1, yes-rate.
    Pope,
}

impl Measure {
    /// The shapes of COCO results that are scored so.
    fn kind(self) -> Option<files::Kind> {
        match self {
            Self::Boxes => Some(files::Kind::Boxes),
            Self::Masks => Some(files::Kind::Masks),
            Self::Keypoints => Some(files::Kind::Keypoints),
            Self::Captions | Self::Vqa | Self::Pope => None,
        }
    }
}

/// What `--json` writes.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Scored {
    /// How it was scored.
    pub measure: Measure,
    /// The table.
    pub rows: Vec<Row>,
    /// Each sample.
    pub samples: Vec<Sample>,
}

/// The scores of one sample.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Sample {
    /// The picture's number or the line's id.
    pub id: String,
    /// By name.
    pub scores: BTreeMap<String, f64>,
}

impl Score {
    /// Runs the command.
    pub fn run(self) -> Outcome {
        let outs: Vec<&Path> =
            [&self.json, &self.html].into_iter().flatten().map(PathBuf::as_path).collect();
        check_files(&outs, &[&self.predictions, &self.truth], self.force)?;
        if self.html.is_some() && self.measure.kind().is_none() {
            return Err("--html shows boxes, masks and keypoints: leave it out".into());
        }
        if self.meteor.is_some() && self.measure != Measure::Captions {
            return Err("--meteor scores captions: leave it out".into());
        }
        let (found, truth) = (foreign(&self.predictions)?, foreign(&self.truth)?);
        let files_of = format!("{} against {}", self.predictions.display(), self.truth.display());
        let scored = self.scored(&found, &truth).map_err(|e| format!("{files_of}: {e}"))?;
        for row in &scored.rows {
            match row.value {
                Some(value) => say!("{:16} {value:.4}  ({})", row.name, row.count),
                None => say!("{:16} -", row.name),
            }
        }
        if let Some(out) = &self.json {
            put(out, &serde_json::to_vec_pretty(&scored)?)?;
        }
        if let (Some(out), Some(kind)) = (&self.html, self.measure.kind()) {
            let what = scored.measure.to_possible_value();
            let what = what.map(|value| value.get_name().to_string()).unwrap_or_default();
            let pictures = files::read(kind, &found, &truth)?;
            let objects = vec![Objects::of(&what, &pictures, &files::names(&truth)?)?];
            let sheet =
                Sheet { title: "Scores".into(), subtitle: files_of, objects, ..Sheet::default() };
            sheet.write(out)?;
            say!("{}", out.display());
        }
        Ok(())
    }

    fn scored(&self, found: &[u8], truth: &[u8]) -> Result<Scored, Box<dyn std::error::Error>> {
        let detected = |kind| files::read(kind, found, truth);
        let pairs = || lines::read(found, truth);
        let (rows, samples) = match self.measure {
            Measure::Boxes => objects(detected(files::Kind::Boxes)?, &Settings::objects())?,
            Measure::Masks => objects(detected(files::Kind::Masks)?, &Settings::objects())?,
            Measure::Keypoints => {
                objects(detected(files::Kind::Keypoints)?, &Settings::keypoints())?
            }
            Measure::Captions => captions(&pairs()?, self.meteor.as_deref())?,
            Measure::Vqa => vqa(&pairs()?)?,
            Measure::Pope => pope(&pairs()?)?,
        };
        Ok(Scored { measure: self.measure, rows, samples })
    }
}

type Table = (Vec<Row>, Vec<Sample>);

fn objects(pictures: Pictures, settings: &Settings) -> Result<Table, MetricError> {
    match pictures {
        Pictures::Boxes(list) => average_precision(&list, settings),
        Pictures::Masks(list) => average_precision(&list, settings),
        Pictures::Keypoints(list) => average_precision(&list, settings),
    }
}

fn average_precision<S: Shape>(
    pictures: &[Picture<S>],
    settings: &Settings,
) -> Result<Table, MetricError> {
    let empty = || Detection::new(settings.clone());
    let add = |metric: &mut Detection, picture: &Picture<S>| picture.judge(metric);
    let rows = gather(pictures, empty, add)?.rows();
    let mut samples = Vec::new();
    for picture in pictures {
        let mut alone = empty();
        alone.add(picture)?;
        samples.extend(sample(picture.id.to_string(), alone.rows().into_iter().take(3)));
    }
    Ok((rows, samples))
}

/// A sample's scores; none when nothing could be measured, as on a picture without true objects.
fn sample(id: String, rows: impl IntoIterator<Item = Row>) -> Option<Sample> {
    let scores: BTreeMap<String, f64> =
        rows.into_iter().filter_map(|row| Some((row.name, row.value?))).collect();
    (!scores.is_empty()).then_some(Sample { id, scores })
}

fn captions(
    pairs: &[lines::Pair],
    jar: Option<&Path>,
) -> Result<Table, Box<dyn std::error::Error>> {
    let (mut bleu, mut rouge, mut cider) = (Bleu::default(), Rouge::default(), Cider::default());
    let (mut samples, mut captions) = (Vec::new(), Vec::new());
    for pair in pairs {
        let caption = Caption::new(&pair.answer, &pair.truths);
        let (mut own_bleu, mut own_rouge) = (Bleu::default(), Rouge::default());
        own_bleu.add(&caption)?;
        own_rouge.add(&caption)?;
        samples.extend(sample(pair.id.clone(), [own_bleu.rows(), own_rouge.rows()].concat()));
        bleu.merge(own_bleu);
        rouge.merge(own_rouge);
        cider.add(&caption)?;
        captions.push(caption);
    }
    // Computed once: it weighs all n-grams of the corpus.
    let scores = cider.scores();
    let row = Row::mean("CIDEr-D", scores.iter().sum(), scores.len() as u64);
    let mut rows = [bleu.rows(), rouge.rows(), vec![row]].concat();
    let mut own = vec![("CIDEr-D", scores)];
    if let Some(jar) = jar {
        let (row, scores) = meteor(jar, &captions)?;
        rows.push(row);
        own.push(("METEOR", scores));
    }
    for (name, scores) in own {
        for (sample, score) in samples.iter_mut().zip(scores) {
            sample.scores.insert(name.into(), score);
        }
    }
    Ok((rows, samples))
}

fn vqa(pairs: &[lines::Pair]) -> Result<Table, MetricError> {
    let mut metric = Vqa::default();
    let mut samples = Vec::new();
    for pair in pairs {
        let mut own = Vqa::default();
        own.add((&pair.answer, &pair.truths))?;
        samples.extend(sample(pair.id.clone(), own.rows()));
        metric.merge(own);
    }
    Ok((metric.rows(), samples))
}

fn pope(pairs: &[lines::Pair]) -> Result<Table, Box<dyn std::error::Error>> {
    let mut metric = Pope::default();
    let mut samples = Vec::new();
    for pair in pairs {
        let mut own = Pope::default();
        // The official tool takes whatever is not "no" for "yes", "No" among it.
        let truths: Vec<String> = pair.truths.iter().map(|t| t.trim().to_lowercase()).collect();
        let yes = match truths.as_slice() {
            [one] if one == "yes" => true,
            [one] if one == "no" => false,
            _ => {
                return Err(format!("id {} of the truth: answer must be yes or no", pair.id).into());
            }
        };
        own.add((&pair.answer, yes))?;
        samples.extend(sample(pair.id.clone(), own.rows().into_iter().take(1)));
        metric.merge(own);
    }
    Ok((metric.rows(), samples))
}
