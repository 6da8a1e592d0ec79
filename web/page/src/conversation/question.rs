//! The question being written: its words with `[prompt 1]` chips, and ready-made ones.

use crate::canvas::marks::Board;
use refvlm_protocol::{Task, Unit};
use refvlm_record::mention::{Piece, cut, marker};
use refvlm_record::ready::{READY, Ready};

/// What a task is called on the page.
pub fn task_name(task: Task) -> &'static str {
    match task {
        Task::Vqa => "Answer in words",
        Task::Detection => "Boxes of everything",
        Task::Segmentation => "Masks of everything",
        Task::GroundingDetection => "Box of one thing",
        Task::GroundingSegmentation => "Mask of one thing",
        Task::GcgDetection => "Caption with boxes",
        Task::GcgSegmentation => "Caption with masks",
        Task::KeypointDetection => "Skeletons of all people",
        Task::GroundingKeypoints => "Skeleton of one person",
        Task::Depth => "Depth",
        Task::Mixed => "Several kinds at once",
    }
}

/// What a unit is called on the page.
pub fn unit_name(unit: Unit) -> &'static str {
    match unit {
        Unit::Box => "box",
        Unit::Mask => "mask",
        Unit::Keypoint => "skeleton",
        Unit::Depth => "depth map",
    }
}

/// The ready-made questions of a task, those that suit the number of prompts first: about one
/// prompt, which is the selected one, then about two.
pub fn ready_for(task: Task, prompts: usize) -> Vec<Ready> {
    let mut of_task: Vec<Ready> = READY.iter().copied().filter(|r| r.task == task).collect();
    of_task.sort_by_key(|r| match r.prompts() {
        needed if needed > prompts => 10 + needed,
        0 => 3,
        needed => needed,
    });
    of_task
}

/// The task that one is after who has pointed at so many things and said nothing.
pub fn natural_task(prompts: usize) -> Task {
    if prompts > 0 { Task::GroundingSegmentation } else { Task::GcgSegmentation }
}

/// What a conversation can begin with: a question of each kind, all of them ready-made.
pub fn starters(prompts: usize) -> Vec<Ready> {
    let pointing = [
        (Task::GroundingSegmentation, "Segment {}."),
        (Task::GroundingDetection, "Draw a box around {}."),
        (Task::Vqa, "What is {}?"),
        (Task::Vqa, "Describe {}."),
        (Task::Mixed, "Show me the depth, and mark {} with a mask."),
    ];
    let looking = [
        (Task::GcgSegmentation, "Describe the image with masks."),
        (Task::Detection, "Detect everything."),
        (Task::KeypointDetection, "Show the pose of every person."),
        (Task::Depth, "Estimate the depth."),
        (Task::Vqa, "What is in the background?"),
    ];
    let wanted = if prompts > 0 { pointing } else { looking };
    let found = wanted.into_iter().filter_map(|(task, words)| {
        READY.iter().find(|ready| ready.task == task && ready.words == words).copied()
    });
    found.collect()
}

/// The question after a prompt was taken away: its chip goes, those behind it move up.
pub fn without(text: &str, removed: usize) -> String {
    let mut kept = String::new();
    for part in cut(text) {
        match part {
            Piece::Words(words) => kept += &words,
            Piece::Prompt(number) if number == removed => {
                // The space before the chip goes with it.
                kept.truncate(kept.trim_end().len());
            }
            Piece::Prompt(number) if number > removed => kept += &marker(number - 1),
            Piece::Prompt(number) => kept += &marker(number),
        }
    }
    kept
}

/// The question with a chip put in at `at` (UTF-16 units, as a text field counts), and where the
/// caret stands then.
pub fn with_chip(text: &str, at: u32, number: usize) -> (String, u32) {
    let units: Vec<u16> = text.encode_utf16().collect();
    let at = (at as usize).min(units.len());
    let before = String::from_utf16_lossy(&units[..at]);
    let after = String::from_utf16_lossy(&units[at..]);
    let space = |there: bool| if there { " " } else { "" };
    let lead = space(!before.is_empty() && !before.ends_with(char::is_whitespace));
    let trail = space(after.starts_with(char::is_alphanumeric));
    let head = format!("{before}{lead}{}{trail}", marker(number));
    let caret = head.encode_utf16().count() as u32;
    (head + &after, caret)
}

/// The numbers of all marks, the selected one first: what a ready-made question should be about.
pub fn by_attention(board: &Board) -> Vec<usize> {
    let chosen = board.selected.and_then(|id| board.number(id));
    let others = (1..=board.marks.len()).filter(|number| Some(*number) != chosen);
    chosen.into_iter().chain(others).collect()
}

/// A question with a chip behind its first "this", "that" or "here", when it mentions no
/// prompt itself: who points and asks "What is this?" means what was pointed at.
pub fn pointed(text: &str, number: usize) -> String {
    if cut(text).iter().any(|part| matches!(part, Piece::Prompt(_))) {
        return text.into();
    }
    let mut end = 0;
    for word in text.split_inclusive(|c: char| !c.is_alphanumeric()) {
        let bare = word.trim_end_matches(|c: char| !c.is_alphanumeric());
        if ["this", "that", "here"].iter().any(|w| bare.eq_ignore_ascii_case(w)) {
            let at = text[..end + bare.len()].encode_utf16().count() as u32;
            return with_chip(text, at, number).0;
        }
        end += word.len();
    }
    text.into()
}

/// A question as the engine takes it: only what is mentioned goes along, numbered anew in the
/// order of mention. Returns the text and the numbers of the prompts on the picture.
pub fn sent(text: &str) -> (String, Vec<usize>) {
    let mut numbers: Vec<usize> = Vec::new();
    let mut out = String::new();
    for part in cut(text) {
        match part {
            Piece::Words(words) => out += &words,
            Piece::Prompt(number) => {
                let at = numbers.iter().position(|n| *n == number).unwrap_or_else(|| {
                    numbers.push(number);
                    numbers.len() - 1
                });
                out += &marker(at + 1);
            }
        }
    }
    (out, numbers)
}

/// The highest number that is mentioned without a prompt of that number.
pub fn missing(text: &str, prompts: usize) -> Option<usize> {
    let numbers = cut(text).into_iter().filter_map(|part| match part {
        Piece::Prompt(number) => Some(number),
        Piece::Words(_) => None,
    });
    numbers.filter(|number| *number == 0 || *number > prompts).max()
}

#[cfg(test)]
mod tests {
    use super::*;
    use refvlm_protocol::Ask;
    use refvlm_record::Prompt;

    #[test]
    fn every_task_has_a_question_that_can_be_asked() {
        for task in Task::ALL {
            let questions = ready_for(task, 2);
            assert!(!questions.is_empty(), "{task}");
            for question in questions {
                let words = question.about(&[1, 2]).unwrap();
                assert_eq!(missing(&words, question.prompts()), None);
                let prompts = vec![Prompt::Point { x: 0.0, y: 0.0 }; question.prompts()];
                Ask::new(task, words, prompts).parts().unwrap();
            }
        }
    }

    #[test]
    fn questions_that_suit_the_prompts_come_first() {
        assert_eq!(ready_for(Task::Vqa, 0)[0].prompts(), 0);
        assert_eq!(ready_for(Task::Vqa, 1)[0].prompts(), 1);
        let of_two: Vec<_> =
            ready_for(Task::GroundingSegmentation, 2).iter().map(Ready::prompts).collect();
        assert_eq!(of_two, [1, 2, 0]);
    }

    #[test]
    fn a_conversation_begins_with_ready_made_questions() {
        for prompts in [0, 1] {
            assert_eq!(starters(prompts).len(), 5, "each is among the ready-made ones");
            for starter in starters(prompts) {
                assert_eq!(starter.prompts(), prompts);
            }
            assert!(starters(prompts).iter().any(|s| s.task == natural_task(prompts)));
        }
    }

    #[test]
    fn taking_a_prompt_away_renumbers_the_question() {
        let text = "Compare [prompt 1], [prompt 2] and [prompt 3].";
        assert_eq!(without(text, 2), "Compare [prompt 1], and [prompt 2].");
        assert_eq!(without("Segment [prompt 1].", 1), "Segment.");
    }

    #[test]
    fn a_chip_goes_where_the_caret_is() {
        assert_eq!(with_chip("", 0, 1), ("[prompt 1]".into(), 10));
        assert_eq!(with_chip("Segment.", 7, 2), ("Segment [prompt 2].".into(), 18));
        assert_eq!(with_chip("Is it?", 3, 1), ("Is [prompt 1] it?".into(), 14));
        assert_eq!(with_chip("Öl", 99, 1), ("Öl [prompt 1]".into(), 13));
    }

    #[test]
    fn who_points_and_says_this_means_the_prompt() {
        assert_eq!(pointed("What is this?", 2), "What is this [prompt 2]?");
        assert_eq!(pointed("What is [prompt 1] here?", 2), "What is [prompt 1] here?");
        assert_eq!(pointed("Describe the thistle.", 2), "Describe the thistle.");
        assert_eq!(pointed("\u{d6}l? THAT one", 1), "\u{d6}l? THAT [prompt 1] one");
    }

    #[test]
    fn only_what_is_mentioned_is_sent() {
        let (text, numbers) = sent("Is [prompt 3] near [prompt 1] or [prompt 3]?");
        assert_eq!(text, "Is [prompt 1] near [prompt 2] or [prompt 1]?");
        assert_eq!(numbers, [3, 1]);
        assert_eq!(sent("Describe the picture."), ("Describe the picture.".into(), vec![]));
    }

    #[test]
    fn the_selected_prompt_comes_first() {
        let mut board = Board::default();
        let ids: Vec<u32> = (0..3)
            .map(|k| board.add(crate::canvas::marks::Stroke::Point([k as f32, 0.0])))
            .collect();
        board.selected = Some(ids[1]);
        assert_eq!(by_attention(&board), [2, 1, 3]);
        board.selected = None;
        assert_eq!(by_attention(&board), [1, 2, 3]);
    }

    #[test]
    fn mentions_without_a_prompt_are_found() {
        assert_eq!(missing("[prompt 1] and [prompt 3]", 2), Some(3));
        assert_eq!(missing("[prompt 0]", 2), Some(0));
        assert_eq!(missing("[prompt 2]", 2), None);
    }
}
