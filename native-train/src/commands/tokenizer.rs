//! `refvlm tokenizer`.

use super::Outcome;
use refvlm_model::triplet::train::train;
use refvlm_native::files::write_atomic;
use refvlm_native::train::TrainFile;
use refvlm_record::{AnswerPart, QuestionPart};
use refvlm_scenes::dialog::{Kind, dialogue_of};
use refvlm_scenes::{SceneOptions, Split, Stream, World, scene_rng};
use std::path::PathBuf;

/// Train the vocabulary of a model on dialogues about scenes.
#[derive(Debug, clap::Args)]
pub struct TrainTokenizer {
    /// Configuration file; its `model.llm.vocab_size` is the size of the vocabulary.
    config: PathBuf,
    /// Where to write the vocabulary.
    #[arg(long)]
    out: PathBuf,
    /// Scenes whose dialogues are read.
    #[arg(long, default_value_t = 3000)]
    scenes: u64,
}

impl TrainTokenizer {
    /// Runs the command.
    pub fn run(self) -> Outcome {
        let file = TrainFile::read(&self.config)?;
        let world = World::new()?;
        let options = SceneOptions { side_px: 32, split: Split::Train, ..file.scenes.clone() };
        let mut texts = Vec::new();
        for seed in 0..self.scenes {
            let scene = world.scene(file.train.first_seed + seed, &options);
            for kind in Kind::ALL {
                let mut rng = scene_rng(seed, Split::Train, Stream::Vocabulary);
                let Some(dialogue) = dialogue_of(kind, &scene, &mut rng) else { continue };
                for turn in dialogue.record.turns {
                    texts.extend(turn.question.into_iter().filter_map(|part| match part {
                        QuestionPart::Text(text) => Some(text),
                        QuestionPart::Prompt { .. } => None,
                    }));
                    texts.extend(turn.answer.into_iter().map(|part| match part {
                        AnswerPart::Text(text) => text,
                        AnswerPart::Triplet { concept, .. } => concept,
                    }));
                }
            }
        }
        let json = train(texts.into_iter(), file.model.llm.vocab_size)?;
        write_atomic(&self.out, &json)?;
        println!("{}: {} ids", self.out.display(), file.model.llm.vocab_size);
        Ok(())
    }
}
