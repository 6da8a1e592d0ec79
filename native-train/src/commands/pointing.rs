//! `--point`, `--box`, `--scribble` and `--mask`, in the order in which they were typed.

use super::say::note;
use clap::error::Error;
use clap::{Arg, ArgAction, ArgMatches, Args, Command, FromArgMatches};
use refvlm_native::picture::{Picture, read_mask};
use refvlm_record::{Prompt, shares_in_px};
use std::path::{Path, PathBuf};

/// What is pointed at.
#[derive(Debug, Default)]
pub struct Pointing {
    /// Option and value, as typed.
    given: Vec<(&'static str, String)>,
}

/// Option, its value, and what it means.
const OPTIONS: [(&str, &str, &str); 4] = [
    ("point", "X,Y", "A click: x,y in px"),
    ("box", "X,Y,W,H", "A rectangle: x,y,width,height in px"),
    ("scribble", "X,Y X,Y ...", "A line: corners x,y in px, separated by spaces, in quotes"),
    (
        "mask",
        "FILE",
        "A mask: a picture of the same size; its bright or opaque pixels are the prompt",
    ),
];

impl Args for Pointing {
    fn augment_args(command: Command) -> Command {
        OPTIONS.iter().fold(command, |command, (name, value, help)| {
            let option = Arg::new(*name).long(*name).value_name(*value).help(*help);
            command.arg(option.action(ArgAction::Append).allow_hyphen_values(true))
        })
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for Pointing {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, Error> {
        let mut given = Vec::new();
        for (name, ..) in OPTIONS {
            let values = matches.get_many::<String>(name).into_iter().flatten();
            let places = matches.indices_of(name).into_iter().flatten();
            given.extend(places.zip(values).map(|(at, value)| (at, (name, value.clone()))));
        }
        given.sort_by_key(|(at, _)| *at);
        Ok(Self { given: given.into_iter().map(|(_, given)| given).collect() })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

impl Pointing {
    /// The files that are read.
    pub fn files(&self) -> Vec<PathBuf> {
        self.given.iter().filter(|(name, _)| *name == "mask").map(|(_, v)| v.into()).collect()
    }

    /// The prompts, in px of the picture.
    pub fn prompts(&self, picture: &Picture) -> Result<Vec<Prompt>, Box<dyn std::error::Error>> {
        let mut prompts = Vec::new();
        for (name, text) in &self.given {
            let prompt = match *name {
                "point" => {
                    let [x, y] = numbers("--point", text)?;
                    Prompt::Point { x, y }
                }
                "box" => {
                    let [x, y, w, h] = numbers("--box", text)?;
                    Prompt::Box { x, y, w, h }
                }
                "scribble" => {
                    let corners = text.split_whitespace();
                    let corners = corners.map(|corner| numbers("--scribble", corner));
                    Prompt::Scribble { points: corners.collect::<Result<_, _>>()? }
                }
                _ => {
                    let mask = read_mask(Path::new(text), picture.width, picture.height)?;
                    Prompt::Mask { mask: mask.to_rle() }
                }
            };
            let field = format!("prompt {} (--{name})", prompts.len() + 1);
            let (width, height) = (picture.width, picture.height);
            prompt
                .check(&field, width, height)
                .map_err(|error| format!("{error}{}", corners(&prompt, width, height)))?;
            if let Some(odd) = odd(&prompt, width, height) {
                note(format_args!("note: {field}: {odd}"));
            }
            prompts.push(prompt);
        }
        Ok(prompts)
    }
}

/// What to type if a box that does not fit was meant as two corners.
fn corners(prompt: &Prompt, width: u32, height: u32) -> String {
    match *prompt {
        Prompt::Box { x, y, w, h } if w > x && h > y && w <= width as f32 && h <= height as f32 => {
            format!(
                "; a box is x,y,width,height: if these are two corners, give --box {x},{y},{},{}",
                w - x,
                h - y
            )
        }
        _ => String::new(),
    }
}

/// What a prompt may have been meant for instead.
fn odd(prompt: &Prompt, width: u32, height: u32) -> Option<String> {
    let shares = |places: &[f32]| {
        let px = shares_in_px(places, [width, height])?;
        Some(format!("places are px; shares of the picture would be {} px", px.join(",")))
    };
    match prompt {
        Prompt::Point { x, y } => shares(&[*x, *y]),
        Prompt::Box { x, y, w, h } => shares(&[*x, *y, *w, *h]),
        Prompt::Scribble { points } => shares(points.as_flattened()),
        Prompt::Mask { mask } => {
            let area = u64::from(width) * u64::from(height);
            let set = mask.to_mask().ok()?.area();
            (set * 10 > area * 9).then(|| {
                let share = set * 100 / area.max(1);
                format!("the mask covers {share} % of the picture; white is meant, black is not")
            })
        }
    }
}

fn numbers<const N: usize>(flag: &str, text: &str) -> Result<[f32; N], String> {
    let values: Result<Vec<f32>, _> = text.split(',').map(|v| v.trim().parse::<f32>()).collect();
    let values = values.ok().filter(|values| values.iter().all(|v| v.is_finite()));
    values
        .and_then(|values| values.try_into().ok())
        .ok_or_else(|| format!("{flag} {text}: give {N} numbers separated by commas, in px"))
}
