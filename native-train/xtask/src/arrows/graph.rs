//! From source files to arrows: who imports from whom.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::source::{Source, Use};
use crate::tools::Fallible;

/// Arrows by number: from each file (or crate, or room) to those that it uses.
pub type Arrows = BTreeMap<usize, BTreeSet<usize>>;

/// How many names are followed that one file after another hands on.
const LONGEST_CHAIN: usize = 16;

/// One file, with its place in the tree of modules.
pub struct File {
    /// Its path below `src`, as it is written in pictures.
    pub name: String,
    /// The modules from the crate's root to it.
    pub module: Vec<String>,
    /// 0 for the library, else the number of the program.
    tree: usize,
    source: Source,
}

/// The files of one crate.
pub struct Crate {
    pub files: Vec<File>,
    modules: BTreeMap<(usize, Vec<String>), usize>,
    /// The name under which its programs import its library.
    library: String,
}

impl Crate {
    /// Reads a crate from its roots: that of the library first, then those of its programs.
    pub fn read(library: &str, roots: &[PathBuf]) -> Fallible<Self> {
        let library = library.replace('-', "_");
        let mut all = Self { files: Vec::new(), modules: BTreeMap::new(), library };
        for (tree, root) in roots.iter().enumerate() {
            let folder = root.parent().unwrap_or(root);
            all.add(tree, root, folder, folder, Vec::new())?;
        }
        Ok(all)
    }

    /// Adds a file and the modules it declares, which lie in `folder`.
    fn add(
        &mut self,
        tree: usize,
        path: &Path,
        src: &Path,
        folder: &Path,
        module: Vec<String>,
    ) -> Fallible<()> {
        let text = std::fs::read_to_string(path).map_err(|e| format!("{}: {e}", path.display()))?;
        let source = Source::read(&text);
        let number = self.files.len();
        let name = path.strip_prefix(src).unwrap_or(path).display().to_string();
        self.modules.insert((tree, module.clone()), number);
        for inline in &source.inline {
            let place: Vec<_> = module.iter().chain(inline).cloned().collect();
            self.modules.insert((tree, place), number);
        }
        let children = source.modules.clone();
        self.files.push(File { name, module: module.clone(), tree, source });
        for child in children {
            let below = child.iter().fold(folder.to_path_buf(), |path, part| path.join(part));
            let place: Vec<_> = module.iter().chain(&child).cloned().collect();
            let candidates = [below.with_extension("rs"), below.join("mod.rs")];
            // A module with `#[path]` lies elsewhere; only tests do that here.
            if let Some(file) = candidates.iter().find(|file| file.is_file()) {
                self.add(tree, file, src, &below, place)?;
            }
        }
        Ok(())
    }

    /// The arrows between the files. What is only handed on makes none: the arrow goes to the file
    /// that defines the name.
    pub fn arrows(&self) -> Arrows {
        let mut arrows = Arrows::new();
        for (number, file) in self.files.iter().enumerate() {
            for line in file.source.uses.iter().filter(|line| !line.public) {
                let place: Vec<_> = file.module.iter().chain(&line.inside).cloned().collect();
                let target = self.target(file.tree, &place, &line.path, 0);
                let target = target.filter(|&target| target != number);
                if let Some(target) = target.filter(|&at| !self.hands_on(at)) {
                    arrows.entry(number).or_default().insert(target);
                }
            }
        }
        arrows
    }

    fn hands_on(&self, file: usize) -> bool {
        self.files.get(file).is_none_or(|file| file.source.only_hands_on())
    }

    /// The file that a path leads to from a module; none where it leads out of the crate.
    fn target(
        &self,
        tree: usize,
        place: &[String],
        path: &[String],
        depth: usize,
    ) -> Option<usize> {
        let (first, rest) = path.split_first()?;
        let place = place.to_vec();
        let child: Vec<_> = place.iter().chain([first]).cloned().collect();
        let (tree, start, rest) = match first.as_str() {
            "crate" => (tree, Vec::new(), rest),
            "self" => (tree, place, rest),
            "super" => {
                let ups = path.iter().take_while(|part| *part == "super").count();
                let start = place.get(..place.len().checked_sub(ups)?)?.to_vec();
                (tree, start, path.get(ups..)?)
            }
            _ if self.modules.contains_key(&(tree, child)) => (tree, place, path),
            name if name == self.library && tree > 0 => (0, Vec::new(), rest),
            _ => return None,
        };
        let mut module = start;
        let mut rest = rest;
        while let Some((name, others)) = rest.split_first() {
            let deeper: Vec<_> = module.iter().chain([name]).cloned().collect();
            if !self.modules.contains_key(&(tree, deeper.clone())) {
                break;
            }
            (module, rest) = (deeper, others);
        }
        let file = *self.modules.get(&(tree, module.clone()))?;
        let Some((name, others)) = rest.split_first().filter(|_| depth < LONGEST_CHAIN) else {
            return Some(file);
        };
        self.handed_on(file, tree, &module, name, others, depth).or(Some(file))
    }

    /// Where a name comes from that a file hands on by `pub use`.
    fn handed_on(
        &self,
        file: usize,
        tree: usize,
        module: &[String],
        name: &str,
        others: &[String],
        depth: usize,
    ) -> Option<usize> {
        let source = &self.files.get(file)?.source;
        let lines = || source.uses.iter().filter(|line| line.public);
        let follow = |line: &Use, path: &[String]| {
            let path: Vec<_> = path.iter().chain(others).cloned().collect();
            self.target(tree, module, &path, depth + 1).filter(|_| line.path.len() < 32)
        };
        if let Some(line) = lines().find(|line| line.name == name) {
            return follow(line, &line.path);
        }
        lines().filter(|line| line.name == "*").find_map(|line| {
            let folder = line.path.get(..line.path.len() - 1)?;
            let target = self.target(tree, module, folder, depth + 1)?;
            let defines = self.files.get(target)?.source.items.contains(name);
            defines.then_some(target)
        })
    }
}

/// Every group of numbers that reach each other, smallest number first.
pub fn circles(arrows: &Arrows) -> Vec<Vec<usize>> {
    let reach: BTreeMap<usize, BTreeSet<usize>> =
        arrows.keys().map(|&from| (from, reachable(arrows, from))).collect();
    let reaches = |a: usize, b: usize| reach.get(&a).is_some_and(|all| all.contains(&b));
    let mut seen: BTreeSet<usize> = BTreeSet::new();
    let mut circles = Vec::new();
    for &from in arrows.keys().filter(|&&from| reaches(from, from)) {
        if !seen.contains(&from) {
            let circle: Vec<_> = arrows
                .keys()
                .copied()
                .filter(|&other| reaches(from, other) && reaches(other, from))
                .collect();
            seen.extend(&circle);
            circles.push(circle);
        }
    }
    circles
}

/// Whatever can be come to along arrows, in one step or more.
pub fn reachable(arrows: &Arrows, from: usize) -> BTreeSet<usize> {
    let mut found = BTreeSet::new();
    let mut open: Vec<usize> = arrows.get(&from).into_iter().flatten().copied().collect();
    while let Some(next) = open.pop() {
        if found.insert(next) {
            open.extend(arrows.get(&next).into_iter().flatten());
        }
    }
    found
}

/// The arrows without those that a longer way stands for, so that a picture can be read. Arrows of
/// a circle all stay.
pub fn thinned(arrows: &Arrows) -> Arrows {
    let circles = circles(arrows);
    let together = |a: usize, b: usize| circles.iter().any(|c| c.contains(&a) && c.contains(&b));
    arrows
        .iter()
        .map(|(&from, targets)| {
            let needed = |&&to: &&usize| {
                together(from, to)
                    || !targets.iter().any(|&by| {
                        by != to
                            && !together(by, to)
                            && !together(by, from)
                            && reachable(arrows, by).contains(&to)
                    })
            };
            (from, targets.iter().filter(needed).copied().collect())
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arrows(pairs: &[(usize, usize)]) -> Arrows {
        let mut arrows = Arrows::new();
        for &(from, to) in pairs {
            arrows.entry(from).or_default().insert(to);
        }
        arrows
    }

    #[test]
    fn circles_are_found_and_nothing_else() {
        assert!(circles(&arrows(&[(0, 1), (0, 2), (1, 2)])).is_empty());
        let two = arrows(&[(0, 1), (1, 2), (2, 1), (3, 4), (4, 5), (5, 3), (5, 0)]);
        assert_eq!(circles(&two), [vec![1, 2], vec![3, 4, 5]]);
    }

    #[test]
    fn an_arrow_that_a_longer_way_stands_for_is_left_out() {
        let thin = thinned(&arrows(&[(0, 1), (1, 2), (0, 2), (2, 3), (0, 3)]));
        assert_eq!(thin, arrows(&[(0, 1), (1, 2), (2, 3)]));
        let circle = arrows(&[(0, 1), (1, 0), (0, 2), (1, 2)]);
        assert_eq!(thinned(&circle).get(&0), Some(&BTreeSet::from([1, 2])));
    }

    /// A crate in a folder of its own below the build's.
    fn crate_of(name: &str, files: &[(&str, &str)]) -> Crate {
        let folder = std::env::temp_dir().join(format!("arrows-{}-{name}", std::process::id()));
        for (file, text) in files {
            let path = folder.join(file);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        let roots: Vec<_> = ["lib.rs", "main.rs"]
            .map(|f| folder.join(f))
            .into_iter()
            .filter(|f| f.is_file())
            .collect();
        let read = Crate::read("own-name", &roots).unwrap();
        std::fs::remove_dir_all(folder).unwrap();
        read
    }

    fn named(all: &Crate) -> Vec<String> {
        let name = |n: usize| all.files[n].name.as_str();
        let arrows = all.arrows();
        let pairs = arrows.iter().flat_map(|(&from, to)| to.iter().map(move |&to| (from, to)));
        pairs.map(|(from, to)| format!("{} -> {}", name(from), name(to))).collect()
    }

    #[test]
    fn a_name_is_followed_to_the_file_that_defines_it() {
        let all = crate_of(
            "follow",
            &[
                ("lib.rs", "pub mod a;\npub mod b;\npub use a::Inner;"),
                ("a.rs", "mod deep;\npub use deep::Inner;\npub use deep::*;"),
                ("a/deep.rs", "pub struct Inner;\npub struct Other;"),
                ("b.rs", "use crate::Inner;\nuse crate::a::Other;\nuse std::fmt;\nuse super::a;"),
            ],
        );
        // `super::a` leads to a file that only hands on.
        assert_eq!(named(&all), ["b.rs -> a/deep.rs"]);
    }

    #[test]
    fn a_child_and_its_parent_can_be_a_circle_and_programs_see_the_library() {
        let all = crate_of(
            "circle",
            &[
                ("lib.rs", "pub mod a;"),
                ("a.rs", "pub mod b;\nuse b::B;\npub struct A(B);"),
                ("a/b.rs", "use super::A;\npub struct B;\n#[cfg(test)]\nuse crate::x::Y;"),
                ("main.rs", "mod c;\nuse own_name::a::A;\nfn main() {}"),
                ("c.rs", "use crate::main_thing;\nuse super::other;"),
            ],
        );
        assert_eq!(
            named(&all),
            ["a.rs -> a/b.rs", "a/b.rs -> a.rs", "main.rs -> a.rs", "c.rs -> main.rs"]
        );
        assert_eq!(circles(&all.arrows()).len(), 1);
    }
}
