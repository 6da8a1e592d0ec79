//! The kind of answer that a question wants, held against 200 questions whose kind was written
//! down before the rules were.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use refvlm_record::intent::task_of;
use refvlm_record::ready::READY;
use refvlm_record::{Task, asks_presence};

/// Share of a file's questions whose task is right; the others are printed.
fn right(name: &str, file: &str) -> f64 {
    let lines: Vec<&str> = file.lines().filter(|line| !line.starts_with('#')).collect();
    let (mut good, mut bad) = (0, Vec::new());
    for line in &lines {
        let mut parts = line.splitn(3, ' ');
        let task: Task = parts.next().unwrap().parse().unwrap();
        let prompts = parts.next().unwrap().parse().unwrap();
        let question = parts.next().unwrap();
        match task_of(question, prompts) {
            found if found == task => good += 1,
            found => bad.push(format!("{question}: {found}, not {task}")),
        }
    }
    assert_eq!(lines.len(), 100);
    println!("{name}: {good} of {}\n{}", lines.len(), bad.join("\n"));
    f64::from(good) / lines.len() as f64
}

#[test]
fn the_questions_that_the_rules_were_written_for() {
    assert!(right("known", include_str!("questions/known.txt")) >= 0.98);
}

#[test]
fn questions_that_the_rules_have_not_seen() {
    assert!(right("unseen", include_str!("questions/unseen.txt")) >= 0.9);
}

#[test]
fn ready_made_questions_have_their_task() {
    let wrong: Vec<_> = READY
        .iter()
        .filter(|ready| {
            let words = ready.about(&[1, 2]).unwrap();
            // Of people alone the list says masks and boxes of everything.
            task_of(&words, 2) != ready.task && !words.contains("people")
        })
        .collect();
    assert!(wrong.is_empty(), "{wrong:?}");
}

#[test]
fn prompts_without_words_want_masks() {
    assert_eq!(task_of("", 1), Task::GroundingSegmentation);
    assert_eq!(task_of(" [prompt 1] ", 1), Task::GroundingSegmentation);
    assert_eq!(task_of("", 0), Task::GcgSegmentation);
    assert_eq!(task_of("?!", 0), Task::GcgSegmentation);
}

#[test]
fn questions_for_presence_alone_are_told_from_others() {
    let asks = [
        "Is there a dog in the picture?",
        "Are there any dogs?",
        "Do you see a red bus?",
        "Does the photo contain a chair?",
        "Please check whether the image shows a cat.",
        "Tell me if there is a bird.",
        "Any cups in here?",
        "A horse here?",
        "Is a boat visible?",
        "Can a boat be seen?",
        "A boat, yes or no?",
        "Does an apple appear in the image?",
        "Is there anyone?",
    ];
    let others = [
        "How many dogs are there?",
        "Is the dog brown?",
        "Are there more dogs than cats?",
        "What is in the picture?",
        "Where is the dog?",
        "Is [prompt 1] in the picture?",
        "Does the man wear a hat?",
        "Which animals can you see?",
        "Describe what is to be seen here.",
        "Count the dogs in the photo.",
        "",
        "?",
    ];
    for question in asks {
        assert!(asks_presence(question), "{question}");
    }
    for question in others {
        assert!(!asks_presence(question), "{question}");
    }
}
