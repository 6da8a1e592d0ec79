//! `refvlm tokenizer`.

use super::say::say;
use super::{Outcome, put};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use refvlm_data::words::imagenet;
use refvlm_data::{Collection, DialogueOptions, Split as PhotoSplit, split};
use refvlm_native::output::check_file;
use refvlm_native::train::TrainFile;
use refvlm_native::vocabulary::train;
use refvlm_record::{AnswerPart, QuestionPart, Turn};
use refvlm_scenes::dialog::{Kind, dialogue_of};
use refvlm_scenes::{SceneOptions, Split, Stream, World, scene_rng};
use std::path::PathBuf;

/// Train the vocabulary of a model on dialogues about scenes.
#[derive(Debug, clap::Args)]
pub struct TrainTokenizer {
    /// Configuration file; its `model.llm.vocab_size` is the size of the vocabulary.
    config: PathBuf,
    /// Where to write the vocabulary.
    #[arg(short, long)]
    out: PathBuf,
    /// Replace the file at `--out`.
    #[arg(long)]
    force: bool,
    /// Photos whose dialogues are read too, a folder in COCO format; then the names of ImageNet's
    /// classes are read as well.
    #[arg(long)]
    data: Option<PathBuf>,
    /// Scenes whose dialogues are read.
    #[arg(long, default_value_t = 3000)]
    scenes: u64,
}

/// Adds the words of a turn.
fn said(turn: Turn, texts: &mut Vec<String>) {
    texts.extend(turn.question.into_iter().filter_map(|part| match part {
        QuestionPart::Text(text) => Some(text),
        QuestionPart::Prompt { .. } => None,
    }));
    texts.extend(turn.answer.into_iter().map(|part| match part {
        AnswerPart::Text(text) => text,
        AnswerPart::Triplet { concept, .. } => concept,
    }));
}

impl TrainTokenizer {
    /// Runs the command.
    pub fn run(self) -> Outcome {
        check_file(&self.out, &[&self.config], self.force)?;
        let file = TrainFile::read(&self.config, None)?;
        let world = World::new()?;
        let options = SceneOptions { side_px: 32, split: Split::Train, ..file.scenes.clone() };
        let mut texts = Vec::new();
        for seed in 0..self.scenes {
            let scene = world.scene(file.train.first_seed + seed, &options);
            for kind in Kind::ALL {
                let mut rng = scene_rng(seed, Split::Train, Stream::Vocabulary);
                let Some(dialogue) = dialogue_of(kind, &scene, &mut rng) else { continue };
                dialogue.record.turns.into_iter().for_each(|turn| said(turn, &mut texts));
            }
        }
        if let Some(folder) = &self.data {
            let photos = Collection::open(folder)?.photos;
            let learned = photos.iter().filter(|photo| split::of(photo) == PhotoSplit::Train);
            let options = DialogueOptions { turns: 12, ..DialogueOptions::default() };
            for (number, photo) in learned.enumerate() {
                let mut rng = ChaCha8Rng::seed_from_u64(number as u64);
                let Some(dialogue) = refvlm_data::dialogues(photo, &mut rng, &options) else {
                    continue;
                };
                dialogue.record.turns.into_iter().for_each(|turn| said(turn, &mut texts));
            }
            for class in imagenet() {
                // As they stand in sentences; what everybody says most often.
                texts.extend([format!("It is a {}.", class.name), format!("a {}", class.word)]);
            }
        }
        let json = train(texts.into_iter(), file.model.llm.vocab_size)?;
        put(&self.out, &json)?;
        say!("{}: {} ids", self.out.display(), file.model.llm.vocab_size);
        Ok(())
    }
}
