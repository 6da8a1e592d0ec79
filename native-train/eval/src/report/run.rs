//! The page of a training run: where it stands, curves, held-out pictures, settings.

use super::{Card, STYLE, escaped};
use refvlm_files::picture::PictureError;
use std::fmt::Write;
use std::path::Path;

mod curves;

pub use curves::{Chart, Curve};

const RUN_STYLE: &str = include_str!("../../assets/run.css");
/// Loads the page of a run that goes on anew now and then; what was opened stays so.
const RUN_SCRIPT: &str = include_str!("../../assets/run.js");
/// Sizes of charts in about px.
const LARGE: [f64; 2] = [560.0, 200.0];
const SMALL: [f64; 2] = [250.0, 112.0];

/// What the page shows.
#[derive(Debug, Clone, Default)]
pub struct RunPage {
    /// The heading.
    pub title: String,
    /// A line below it.
    pub subtitle: String,
    /// The share of the run that is done, 0 to 1.
    pub done: f64,
    /// Numbers at the top, each with its name.
    pub facts: Vec<(String, String)>,
    /// The stages, the newest first.
    pub stages: Vec<Stage>,
    /// Held-out pictures as [`cards`] gives them.
    pub pictures: String,
    /// The run's whole configuration.
    pub settings: String,
}

/// A stage of a run.
#[derive(Debug, Clone, Default)]
pub struct Stage {
    /// Its name.
    pub name: String,
    /// Where it stands, in words.
    pub state: String,
    /// Large charts.
    pub main: Vec<Chart>,
    /// Small ones, under a heading each.
    pub groups: Vec<(String, Vec<Chart>)>,
}

/// Cards of pictures as they stand in the page; `name` stands in the text of errors.
///
/// # Errors
/// When a picture cannot be encoded.
pub fn cards(cards: &[Card], name: &Path) -> Result<String, PictureError> {
    let mut body = String::new();
    cards.iter().try_for_each(|card| card.html(&mut body, name))?;
    Ok(body)
}

impl RunPage {
    /// The page: one file that needs no other.
    pub fn html(&self) -> String {
        let (title, subtitle) = (escaped(&self.title), escaped(&self.subtitle));
        let percent = (self.done * 100.0).clamp(0.0, 100.0);
        let mut body = format!(
            "<header><h1>{title}</h1><p>{subtitle}</p><div class=\"bar done\" role=\"progressbar\" \
             aria-valuenow=\"{percent:.0}\" aria-label=\"done\"><i style=\"width:{percent:.1}%\"></i>\
             </div></header><dl class=\"facts\">"
        );
        for (name, value) in &self.facts {
            let (name, value) = (escaped(name), escaped(value));
            let _ = write!(body, "<div><dt>{name}</dt><dd>{value}</dd></div>");
        }
        body.push_str("</dl>");
        for (at, stage) in self.stages.iter().enumerate() {
            stage.html(&mut body, at == 0);
            if at == 0 && !self.pictures.is_empty() {
                let pictures = &self.pictures;
                let _ = write!(
                    body,
                    "<section><h2>Held-out pictures</h2><div class=\"held-out\">{pictures}</div>\
                     </section>"
                );
            }
        }
        if !self.settings.is_empty() {
            let settings = escaped(&self.settings);
            let _ = write!(
                body,
                "<details id=\"settings\"><summary>Settings</summary><pre>{settings}</pre></details>"
            );
        }
        let goes_on = if self.done < 1.0 { " data-goes-on" } else { "" };
        format!(
            "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
             <meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\
             <meta name=\"color-scheme\" content=\"light dark\">\
             <title>{title}</title><style>{STYLE}{RUN_STYLE}</style></head>\n\
             <body class=\"run\"{goes_on}>{body}<script>{RUN_SCRIPT}</script></body></html>\n"
        )
    }
}

impl Stage {
    /// The first group of the newest stage lies open.
    fn html(&self, body: &mut String, newest: bool) {
        let (name, state) = (escaped(&self.name), escaped(&self.state));
        let _ = write!(body, "<section><h2>{name}<span class=\"state\">{state}</span></h2>");
        charts(body, "large", LARGE, &self.main);
        let groups = self.groups.iter().filter(|(_, list)| !list.is_empty());
        for (at, (heading, list)) in groups.enumerate() {
            let (heading, count) = (escaped(heading), list.len());
            let open = if newest && at == 0 { " open" } else { "" };
            let _ = write!(
                body,
                "<details id=\"{name}-{at}\"{open}><summary>{heading} <span class=\"state\">{count}\
                 </span></summary>"
            );
            charts(body, "small", SMALL, list);
            body.push_str("</details>");
        }
        body.push_str("</section>");
    }
}

fn charts(body: &mut String, class: &str, size: [f64; 2], list: &[Chart]) {
    let _ = write!(body, "<div class=\"curves {class}\">");
    list.iter().for_each(|chart| chart.svg(body, size));
    body.push_str("</div>");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_whole_and_loads_nothing() {
        let line = Curve {
            name: "train <&>".into(),
            points: (1..900).map(|step| (f64::from(step), 1.0 / f64::from(step))).collect(),
            dots: false,
        };
        let dots = Curve { name: "held-out".into(), points: vec![(450.0, 0.5)], dots: true };
        let chart = Chart { title: "loss".into(), curves: vec![line, dots], percent: false };
        let stage = Stage {
            name: "full".into(),
            state: "step 3 of 9".into(),
            main: vec![chart.clone()],
            groups: vec![("Parts".into(), vec![chart]), ("None".into(), vec![])],
        };
        let page = RunPage {
            title: "runs/a".into(),
            done: 0.5,
            facts: vec![("speed".into(), "3 <b>".into())],
            stages: vec![stage],
            pictures: "<article>one</article>".into(),
            settings: "[model] # <script>".into(),
            ..RunPage::default()
        };
        let html = page.html();
        assert!(html.contains("<body class=\"run\" data-goes-on>"));
        assert!(html.contains("train &lt;&amp;&gt;") && html.contains("3 &lt;b&gt;"));
        assert_eq!(html.matches("<script").count(), 1);
        assert!(html.contains("<details id=\"full-0\" open>") && !html.contains("full-1"));
        assert_eq!(html.matches("<polyline").count(), 4);
        assert_eq!(html.matches("<circle").count(), 2);
        for outside in ["http://", "https://", "url(", "src=\"/"] {
            assert!(!html.contains(outside), "{outside}");
        }
        // 899 points become at most a few hundred.
        assert!(html.len() < 60_000, "{}", html.len());
        let done = RunPage { done: 1.0, ..page }.html();
        assert!(done.contains("<body class=\"run\">"));
    }
}
