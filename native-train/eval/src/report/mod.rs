//! Self-contained HTML sheets: a table of scores, then cards of pictures and words. Used for the
//! results of an evaluation and for a look at generated scenes.

mod charts;
pub mod run;

use crate::clicks::Table;
use crate::evaluate::Answered;
use crate::metrics::{Answer, AnswerTriplet, Row};
use crate::objects::Objects;
use image::codecs::jpeg::JpegEncoder;
use image::imageops::FilterType;
use refvlm_draw::annotate;
use refvlm_files::files::write_atomic;
use refvlm_files::picture::{Picture, PictureError};
use refvlm_model::event::Shape;
use refvlm_record::{Record, Target, Unit};
use std::collections::BTreeSet;
use std::fmt::Write;
use std::path::Path;

/// Pictures are scaled down to this width, so that a sheet of a hundred cards still opens.
const WIDEST_PX: u32 = 1600;
const JPEG_QUALITY: u8 = 88;

/// A page.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Sheet {
    /// The heading.
    pub title: String,
    /// A line below it: what was measured, with which command, on which machine.
    pub subtitle: String,
    /// The table of scores; none leaves it out.
    pub rows: Vec<Row>,
    /// What each number of clicks reaches, one for each hand.
    pub clicks: Vec<Table>,
    /// Curves and tables of objects, one for each kind of shape.
    pub objects: Vec<Objects>,
    /// Shown in this order; see [`worst_first`].
    pub cards: Vec<Card>,
}

/// One example.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Card {
    /// What it is: the record's id, the kind of dialogue.
    pub title: String,
    /// What the page can be filtered by; empty where it cannot.
    pub kind: String,
    /// Its score in 0..1.
    pub score: Option<f32>,
    /// Pictures with their captions, side by side where there is room.
    pub pictures: Vec<(String, Picture)>,
    /// Named texts below.
    pub fields: Vec<(String, String)>,
}

/// Puts the cards with the lowest scores first; those without a score go last.
pub fn worst_first(cards: &mut [Card]) {
    cards.sort_by(|a, b| {
        let key = |card: &Card| card.score.unwrap_or(f32::INFINITY);
        key(a).total_cmp(&key(b))
    });
}

impl Card {
    /// A question with the true answer beside the given one.
    pub fn of_answer(answered: &Answered) -> Self {
        let Answered { picture, prompts, truth, answer, .. } = answered;
        let drawn = |caption: &str, what: &Answer| {
            (caption.to_string(), annotate(picture, prompts, &what.events()))
        };
        let said = match (answer.words(), answer.parsed) {
            (words, true) => words,
            (words, false) => format!("{words} (does not parse)"),
        };
        let fields =
            [("Question", answered.question.clone()), ("Truth", truth.words()), ("Answer", said)];
        Self {
            title: answered.title.clone(),
            kind: answered.kind.clone(),
            score: Some(answered.score),
            pictures: vec![drawn("Truth", truth), drawn("Answer", answer)],
            fields: fields.map(|(name, text)| (name.to_string(), text)).to_vec(),
        }
    }

    /// A record with every label drawn, its objects listed and its turns told. `names` are those
    /// of the first targets.
    pub fn of_record(picture: &Picture, record: &Record, names: &[String]) -> Self {
        let size = [record.image.width, record.image.height];
        let labelled = everything(&record.targets, names, size);
        let list = labelled
            .triplets
            .iter()
            .enumerate()
            .map(|(k, triplet)| format!("{} {}", k + 1, triplet.concept))
            .collect::<Vec<_>>();
        let mut fields = vec![("Objects".to_string(), list.join("  ·  "))];
        for turn in &record.turns {
            let answer = Answer::from_truth(&turn.answer, &record.targets, size);
            fields.push((
                turn.task.to_string(),
                format!("{}\n→ {}", Record::question_text(turn), answer.words()),
            ));
        }
        let drawn = annotate(picture, &record.prompts, &labelled.events());
        Self {
            title: record.id.clone(),
            kind: String::new(),
            score: None,
            pictures: vec![(String::new(), drawn)],
            fields,
        }
    }
}

/// One triplet per target with all that is known of it, and no words.
fn everything(targets: &[Target], names: &[String], size: [u32; 2]) -> Answer {
    let triplets = targets.iter().enumerate().map(|(k, target)| {
        // A mask tells more than its box, joints bring their own.
        let units = [
            (Unit::Mask, target.mask.is_some()),
            (Unit::Keypoint, target.keypoints.is_some()),
            (Unit::Box, target.mask.is_none() && target.keypoints.is_none()),
            (Unit::Depth, target.depth.is_some()),
        ];
        let known: Vec<Unit> =
            units.into_iter().filter(|(_, is)| *is).map(|(unit, _)| unit).collect();
        let parts: Vec<_> = known
            .iter()
            .map(|&unit| refvlm_record::AnswerPart::Triplet {
                concept: String::new(),
                unit,
                targets: vec![k],
            })
            .collect();
        let shapes: Vec<(f32, Shape)> = Answer::from_truth(&parts, targets, size)
            .triplets
            .into_iter()
            .flat_map(|triplet| triplet.shapes)
            .collect();
        let fallback = if target.depth.is_some() { "depth" } else { "object" };
        let concept = names.get(k).cloned().unwrap_or_else(|| fallback.into());
        let unit = known.first().copied().unwrap_or(Unit::Box);
        AnswerTriplet { concept, unit, shapes }
    });
    Answer { text: String::new(), triplets: triplets.collect(), parsed: true }
}

impl Sheet {
    /// The page, pictures included.
    ///
    /// # Errors
    /// When a picture cannot be encoded; `name` stands in the text.
    pub fn html(&self, name: &Path) -> Result<String, PictureError> {
        let mut body = String::new();
        let title = escaped(&self.title);
        let _ = write!(body, "<header><h1>{title}</h1><p>{}</p></header>", escaped(&self.subtitle));
        if !self.rows.is_empty() {
            body.push_str("<table><tbody>");
            for row in &self.rows {
                let bar = row.share.map_or(String::new(), |share| {
                    let percent = (share * 100.0).clamp(0.0, 100.0);
                    format!("<span class=\"bar\"><i style=\"width:{percent:.1}%\"></i></span>")
                });
                let (name, value) = (escaped(&row.name), escaped(&row.value));
                let sub = if row.name.starts_with('…') { " class=\"sub\"" } else { "" };
                let _ = write!(
                    body,
                    "<tr{sub}><th scope=\"row\">{name}</th><td>{bar}</td><td>{value}</td></tr>"
                );
            }
            body.push_str("</tbody></table>");
        }
        if !self.clicks.is_empty() {
            charts::clicks(&mut body, &self.clicks);
        }
        for objects in &self.objects {
            charts::section(&mut body, objects);
        }
        let filtered = filters(&mut body, &self.cards);
        body.push_str("<main>");
        for card in &self.cards {
            card.html(&mut body, name)?;
        }
        body.push_str("</main>");
        if filtered {
            let _ = write!(body, "<script>{SCRIPT}</script>");
        }
        Ok(format!(
            "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
             <meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\
             <meta name=\"color-scheme\" content=\"light dark\">\
             <title>{title}</title><style>{STYLE}</style></head>\n<body>{body}</body></html>\n"
        ))
    }

    /// Writes the page atomically.
    ///
    /// # Errors
    /// When a picture cannot be encoded or the file cannot be written.
    pub fn write(&self, path: &Path) -> Result<(), PictureError> {
        let html = self.html(path)?;
        write_atomic(path, html.as_bytes())
            .map_err(|source| PictureError::Write { path: path.into(), source })
    }
}

impl Card {
    /// All that can be sought.
    fn words(&self) -> String {
        let fields = self.fields.iter().map(|(_, text)| text.as_str());
        std::iter::once(self.title.as_str()).chain(fields).collect::<Vec<_>>().join(" ")
    }

    fn html(&self, body: &mut String, name: &Path) -> Result<(), PictureError> {
        let score = self.score.map_or(String::new(), |score| {
            let level = match score {
                s if s < 0.5 => "low",
                s if s < 0.8 => "mid",
                _ => "high",
            };
            format!("<span class=\"score {level}\">{:.0}</span>", score * 100.0)
        });
        let title = escaped(&self.title);
        let sought = escaped(&self.words().to_lowercase());
        let (kind, points) = (escaped(&self.kind), self.score.map_or(100.0, |s| s * 100.0));
        let _ = write!(
            body,
            "<article data-kind=\"{kind}\" data-score=\"{points:.1}\" data-words=\"{sought}\">"
        );
        let _ = write!(body, "<h2>{title}{score}</h2><div class=\"pictures\">");
        for (caption, picture) in &self.pictures {
            let url = data_url(picture, name)?;
            let (caption, alt) = (escaped(caption), escaped(&format!("{} {caption}", self.title)));
            let (w, h) = (picture.width, picture.height);
            let caption = match caption.as_str() {
                "" => String::new(),
                caption => format!("<figcaption>{caption}</figcaption>"),
            };
            let _ = write!(
                body,
                "<figure>{caption}<img loading=\"lazy\" width=\"{w}\" height=\"{h}\" \
                 alt=\"{alt}\" src=\"{url}\"></figure>"
            );
        }
        body.push_str("</div><dl>");
        for (name, text) in &self.fields {
            let text = if text.trim().is_empty() { "–" } else { text };
            let _ = write!(body, "<dt>{}</dt><dd>{}</dd>", escaped(name), escaped(text));
        }
        body.push_str("</dl></article>");
        Ok(())
    }
}

/// Fields that choose among the cards, where there is something to choose; whether there is.
fn filters(body: &mut String, cards: &[Card]) -> bool {
    let kinds: BTreeSet<&str> =
        cards.iter().map(|card| card.kind.as_str()).filter(|kind| !kind.is_empty()).collect();
    if kinds.is_empty() {
        return false;
    }
    body.push_str(
        "<form class=\"filters\" hidden><label>Kind <select name=\"kind\">\
         <option value=\"\">all</option>",
    );
    for kind in kinds {
        let _ = write!(body, "<option>{}</option>", escaped(kind));
    }
    body.push_str(
        "</select></label><label>Score up to <input name=\"most\" type=\"number\" min=\"0\" \
         max=\"100\" value=\"100\"></label><label>Words <input name=\"words\" type=\"search\">\
         </label><output></output></form>",
    );
    true
}

fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            c => safe.push(c),
        }
    }
    safe
}

fn data_url(picture: &Picture, name: &Path) -> Result<String, PictureError> {
    let failed = |reason: String| PictureError::Encode { path: name.into(), reason };
    let mut rgb = image::RgbImage::from_raw(picture.width, picture.height, picture.rgb.clone())
        .ok_or_else(|| failed("a picture's bytes do not fit its size".into()))?;
    if rgb.width() > WIDEST_PX {
        let height = u64::from(rgb.height()) * u64::from(WIDEST_PX) / u64::from(rgb.width());
        let height = u32::try_from(height.max(1)).unwrap_or(u32::MAX);
        rgb = image::imageops::resize(&rgb, WIDEST_PX, height, FilterType::Triangle);
    }
    let mut bytes = Vec::new();
    JpegEncoder::new_with_quality(&mut bytes, JPEG_QUALITY)
        .encode_image(&rgb)
        .map_err(|e| failed(e.to_string()))?;
    Ok(format!("data:image/jpeg;base64,{}", base64(&bytes)))
}

fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for group in bytes.chunks(3) {
        let at = |k: usize| u32::from(group.get(k).copied().unwrap_or(0));
        let bits = at(0) << 16 | at(1) << 8 | at(2);
        for k in 0..4 {
            let letter = LETTERS[(bits >> (18 - 6 * k) & 63) as usize];
            text.push(if k <= group.len() { char::from(letter) } else { '=' });
        }
    }
    text
}

const STYLE: &str = include_str!("../../assets/sheet.css");
const SCRIPT: &str = include_str!("../../assets/sheet.js");

#[cfg(test)]
mod tests;
