//! `refvlm data shard`: a recipe and data sets become shards.

use super::say::{left_out, note, say};
use super::{Outcome, counter};
use clap::Args;
use refvlm_data::build::{Build, Part};
use refvlm_data::recipe::Recipe;
use refvlm_data::shards;
use std::path::PathBuf;

/// Build WebDataset shards by a recipe. Started again after it was ended, it goes on.
#[derive(Debug, Args)]
pub struct Shard {
    /// The recipe, such as `configs/data/photos.toml`.
    #[arg(long, value_name = "FILE.toml")]
    recipe: PathBuf,
    /// The folder of the data sets.
    #[arg(long, value_name = "FOLDER")]
    data: PathBuf,
    /// Write shards and indexes into this folder, or go on there.
    #[arg(short, long, value_name = "DIR")]
    out: PathBuf,
    /// Which part, for several copies of the program that share the work: 0/4 to 3/4. The last one
    /// to be done joins them.
    #[arg(long, value_name = "NUMBER/COUNT", default_value_t = Part::WHOLE)]
    part: Part,
}

impl Shard {
    /// Runs the command.
    pub fn run(self) -> Outcome {
        let build = Build::open(Recipe::read(&self.recipe)?, &self.data, self.part)?;
        for name in build.missing() {
            note(format_args!("passed over: {name}, whose folder is not there"));
        }
        let bar = counter("records");
        let part = shards::write(build, &self.data, &self.out, &mut |progress| {
            bar.set_position(progress.records);
        })?;
        bar.finish_and_clear();
        for source in &part.sources {
            note(format_args!("{}: {}", source.name, source.tally));
            left_out(&source.tally.faults, source.tally.faults.len());
        }
        let records: u64 = part.shards.iter().map(|shard| shard.records).sum();
        let (place, count) = (self.out.display(), part.shards.len());
        say!("{place}: part {}, {count} shards with {records} records", self.part);
        Ok(())
    }
}
