//! A 64-bit hash of everything a scene holds and of a dialogue about it.
//!
//! Native training and the page both make scenes, and a score measured here must be about the
//! same pictures that a visitor sees. `cargo xtask test --only wasm-scenes` compares this hash
//! between the host and WebAssembly. The library is plain wasm without imports, so that Node runs
//! it with nothing installed.

use std::fmt::{self, Write};

use refvlm_scenes::dialog::{DialogOptions, dialogues};
use refvlm_scenes::{SceneOptions, Stream, World, scene_rng};

/// FNV-1a over whatever is written.
struct Fnv(u64);

impl Write for Fnv {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for byte in text.bytes() {
            self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
        Ok(())
    }
}

/// Hash of the scene of `seed`: picture, depth, every label, and a dialogue.
///
/// The `Debug` text is hashed, because it prints each number so that it reads back exactly, and
/// because it covers fields that are added later.
///
/// # Errors
/// Why the scene could not be made.
pub fn hash_of_scene(seed: u64) -> Result<u64, Box<dyn std::error::Error>> {
    let options = SceneOptions::default();
    let scene = World::new()?.scene(seed, &options);
    let mut rng = scene_rng(seed, options.split, Stream::Dialogues);
    let dialogue = dialogues(&scene, &mut rng, &DialogOptions { turns: 12, ..Default::default() });
    let mut hash = Fnv(0xcbf2_9ce4_8422_2325);
    write!(hash, "{scene:?}{dialogue:?}")?;
    Ok(hash.0)
}

/// [`hash_of_scene`] for JavaScript; a scene that cannot be made traps.
// SAFETY: no other symbol of this name is linked.
#[unsafe(no_mangle)]
pub extern "C" fn scene_hash(seed: u64) -> u64 {
    hash_of_scene(seed).unwrap_or_else(|_| std::process::abort())
}
