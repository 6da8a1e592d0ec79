//! `refvlm scenes`.

use super::say::say;
use super::{Outcome, bar};
use clap::Args;
use refvlm_native::evaluate::{TABLE_KINDS, full_kind};
use refvlm_native::output::{Staging, check_file, check_folder};
use refvlm_native::picture::Picture;
use refvlm_native::records::RecordWriter;
use refvlm_native::report::{Card, Sheet};
use refvlm_scenes::dialog::{DialogOptions, dialogue_of, dialogues};
use refvlm_scenes::{SceneOptions, Split, Stream, World, scene_rng};
use std::path::PathBuf;

/// Generate scenes with records, or a page to look at.
#[derive(Debug, Args)]
pub struct Scenes {
    /// First seed.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Number of scenes.
    #[arg(long, default_value_t = 24)]
    count: u64,
    /// Longest side in px, 16 to 4096.
    #[arg(long, default_value_t = 128, value_parser = clap::value_parser!(u32).range(16..=4096))]
    side: u32,
    /// Draw all classes of the world instead of those the embedded model knows.
    #[arg(long)]
    whole_world: bool,
    /// Draw training scenes instead of held-out ones.
    #[arg(long)]
    train: bool,
    /// Write pictures and `records.jsonl`, one question per record, into this folder.
    #[arg(short, long)]
    out: Option<PathBuf>,
    /// Write a page that shows the scenes with every label drawn.
    #[arg(long)]
    preview: Option<PathBuf>,
    /// Write into a folder that is not empty, or replace the page.
    #[arg(long)]
    force: bool,
}

impl Scenes {
    fn world(&self, split: Split) -> SceneOptions {
        match self.whole_world {
            true => SceneOptions { split, ..SceneOptions::default() },
            false => SceneOptions::embedded(split),
        }
    }

    /// Runs the command.
    pub fn run(self) -> Outcome {
        if self.out.is_none() && self.preview.is_none() {
            return Err("nothing to write: give --out FOLDER or --preview PAGE.html".into());
        }
        if let Some(out) = &self.out {
            check_folder(out, &[], self.force)?;
        }
        if let Some(page) = &self.preview {
            check_file(page, &[], self.force)?;
        }
        let world = World::new()?;
        let split = if self.train { Split::Train } else { Split::HeldOut };
        let options = SceneOptions { side_px: self.side, ..self.world(split) };
        let seeds = self.seed..self.seed.saturating_add(self.count);
        if let Some(out) = &self.out {
            let staging = Staging::begin(out)?;
            let mut writer = RecordWriter::create(&staging.path().join("records.jsonl"))?;
            let bar = bar(self.count, "scenes");
            for seed in seeds.clone() {
                let scene = world.scene(seed, &options);
                let picture =
                    Picture { width: scene.width, height: scene.height, rgb: scene.rgb.clone() };
                for kind in TABLE_KINDS {
                    let mut rng = scene_rng(seed, split, Stream::Evaluation(kind));
                    let Some(dialogue) = dialogue_of(kind, &scene, &mut rng) else { continue };
                    let mut record = dialogue.record;
                    let kind = full_kind(kind.name(), &record);
                    record.source = format!("refvlm-scenes:{kind}");
                    record.id = format!("{}-{kind}", record.id);
                    writer.add(&record, &picture)?;
                }
                bar.inc(1);
            }
            writer.finish()?;
            staging.finish()?;
            bar.finish_and_clear();
            say!("{}", out.join("records.jsonl").display());
        }
        if let Some(page) = &self.preview {
            let cards = seeds.map(|seed| {
                let scene = world.scene(seed, &options);
                let mut rng = scene_rng(seed, split, Stream::Dialogues);
                let dialogue = dialogues(&scene, &mut rng, &DialogOptions::default());
                let names = scene.objects.iter().map(|object| match object.colour {
                    Some(colour) => format!("{colour} {}", object.class),
                    None => object.class.to_string(),
                });
                let names: Vec<String> = names.collect();
                let picture = Picture { width: scene.width, height: scene.height, rgb: scene.rgb };
                Card::of_record(&picture, &dialogue.record, &names)
            });
            let sheet = Sheet {
                title: "Scenes".into(),
                subtitle: format!("seeds {} to {}", self.seed, self.seed + self.count),
                cards: cards.collect(),
                ..Sheet::default()
            };
            sheet.write(page)?;
            say!("{}", page.display());
        }
        Ok(())
    }
}
