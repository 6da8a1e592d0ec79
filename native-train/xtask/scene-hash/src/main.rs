//! Prints the hash of each scene whose seed is given, one per line.

use std::error::Error;

fn main() -> Result<(), Box<dyn Error>> {
    for seed in std::env::args().skip(1) {
        println!("{:016x}", refvlm_scene_hash::hash_of_scene(seed.parse()?)?);
    }
    Ok(())
}
