use super::*;
use refvlm_helpers::Folder;

fn read(text: &str) -> Result<Recipe, String> {
    let folder = Folder::new("recipe");
    Recipe::read(&folder.file("a.toml", text.as_bytes())).map_err(|e| e.to_string())
}

#[test]
fn a_mistyped_key_is_named_with_the_nearest_one() {
    let source = "name = \"a\"\n[[source]]\nfolder = \".\"\n";
    for (line, wanted) in [
        ("per_pictur = 2", "did you mean `per_picture`?"),
        ("split = \"validaton\"", "did you mean `validation`?"),
        ("dialogues.weights.capton = 1", "did you mean `caption`?"),
        ("tasks.vqq = 1", "did you mean `vqa`?"),
        ("layout = \"coko\"", "did you mean `coco`?"),
        ("filters.max_turn = 2", "did you mean `max_turns`?"),
    ] {
        let error = read(&format!("{source}{line}\n")).unwrap_err();
        assert!(error.contains(wanted) && error.contains("a.toml"), "{line}: {error}");
    }
    let error = read(&format!("sead = 1\n{source}")).unwrap_err();
    assert!(error.contains("did you mean `seed`?") && error.contains("line 1"), "{error}");
    let error = read(&format!("{source}something_else = 1\n")).unwrap_err();
    assert!(!error.contains("did you mean") && error.contains("something_else"), "{error}");
}

#[test]
fn settings_that_do_not_fit_together_are_named() {
    for (text, wanted) in [
        ("name = \"a\"\nsource = []\n", "no [[source]]"),
        ("name = \"a\"\n[mix]\norder = \"portions\"\n[[source]]\nfolder = \".\"\n", "mix.total"),
        ("name = \"a\"\n[[source]]\nfolder = \"b\"\n[[source]]\nfolder = \"b\"\n", "same name"),
        ("name = \"a\"\n[[source]]\nfolder = \"b\"\nshare = 1.5\n", "0..=1"),
        ("name = \"a\"\n[[source]]\nfolder = \"b\"\nweight = 0\n", "positive"),
    ] {
        let error = read(text).unwrap_err();
        assert!(error.contains(wanted), "{error}");
    }
}

#[test]
fn portions_are_parts_of_the_total() {
    let recipe = read(
        "name = \"a\"\n[mix]\norder = \"portions\"\ntotal = 100\n[[source]]\nfolder = \"b\"\n\
         weight = 3\n[[source]]\nfolder = \"c\"\ncap = 10\n",
    )
    .unwrap();
    let most: Vec<_> = recipe.sources.iter().map(|source| recipe.most(source)).collect();
    assert_eq!(most, [Some(75), Some(10)]);
}
