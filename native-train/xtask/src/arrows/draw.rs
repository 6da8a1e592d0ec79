//! Graphs as Mermaid pictures, which GitHub and most readers of Markdown draw.

use std::collections::BTreeSet;
use std::path::Path;

use super::graph::{Arrows, thinned};

/// A picture with a box for each name that has an arrow, grouped by folder.
pub fn mermaid(title: &str, names: &[String], arrows: &Arrows) -> String {
    let arrows = thinned(arrows);
    let pairs = || arrows.iter().flat_map(|(&from, to)| to.iter().map(move |&to| (from, to)));
    let shown: BTreeSet<usize> = pairs().flat_map(|(from, to)| [from, to]).collect();
    let folder = |number: usize| {
        let parent = names.get(number).and_then(|name| Path::new(name).parent());
        parent.map_or(String::new(), |parent| parent.display().to_string())
    };
    let folders: BTreeSet<String> = shown.iter().map(|&number| folder(number)).collect();
    let mut text = format!("```mermaid\n---\ntitle: {title}\n---\nflowchart TD\n");
    for (index, group) in folders.iter().enumerate() {
        let indent = if group.is_empty() { "    " } else { "        " };
        if !group.is_empty() {
            text += &format!("    subgraph g{index}[\"{group}\"]\n");
        }
        for &number in shown.iter().filter(|&&number| folder(number) == *group) {
            let name = names.get(number).map_or("", String::as_str);
            let name = Path::new(name).file_name().map_or(name.into(), |n| n.to_string_lossy());
            text += &format!("{indent}n{number}[\"{}\"]\n", name.trim_end_matches(".rs"));
        }
        if !group.is_empty() {
            text += "    end\n";
        }
    }
    for (from, to) in pairs() {
        text += &format!("    n{from} --> n{to}\n");
    }
    text + "```\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn boxes_stand_in_their_folders_and_lone_ones_are_left_out() {
        let names = ["lib.rs", "a/b.rs", "a/c.rs"].map(String::from);
        let arrows = Arrows::from([(0, BTreeSet::from([1]))]);
        let picture = mermaid("t", &names, &arrows);
        assert!(picture.contains("    n0[\"lib\"]\n"), "{picture}");
        assert!(picture.contains("subgraph g1[\"a\"]\n        n1[\"b\"]\n    end\n"), "{picture}");
        assert!(picture.contains("    n0 --> n1\n```"), "{picture}");
        assert!(!picture.contains("n2"), "{picture}");
    }
}
