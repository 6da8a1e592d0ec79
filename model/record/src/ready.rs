//! Ready-made questions: what the page offers, and what the command line asks who wrote none.
//!
//! A model knows best what it was trained with. A test of `refvlm-scenes` holds every question
//! against its wordings, so one that training does not hold has to say so here.

use crate::intent::task_of;
use crate::mention::marker;
use crate::{Ask, Prompt, Task};

/// A ready-made question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ready {
    /// Its task.
    pub task: Task,
    /// Its words; `{}` stands for a prompt, `{1}` for another.
    pub words: &'static str,
    /// Whether training on scenes asks for this task in these words.
    pub trained: bool,
}

impl Ready {
    /// How many prompts it needs.
    pub fn prompts(&self) -> usize {
        usize::from(self.words.contains("{}")) + usize::from(self.words.contains("{1}"))
    }

    /// Its words about the prompts of these numbers, from 1; none when they are too few.
    pub fn about(&self, numbers: &[usize]) -> Option<String> {
        let mut words = self.words.to_string();
        for (at, place) in ["{}", "{1}"].into_iter().enumerate().take(self.prompts()) {
            words = words.replace(place, &marker(*numbers.get(at)?));
        }
        Some(words)
    }
}

/// A question of the training.
const fn known(task: Task, words: &'static str) -> Ready {
    Ready { task, words, trained: true }
}

/// A question that training does not ask, or asks under another task.
const fn foreign(task: Task, words: &'static str) -> Ready {
    Ready { task, words, trained: false }
}

/// What the page offers, by task.
pub const READY: &[Ready] = &[
    known(Task::Vqa, "What is {}?"),
    known(Task::Vqa, "What colour is {}?"),
    known(Task::Vqa, "Describe {}."),
    known(Task::Vqa, "Describe the picture."),
    known(Task::Vqa, "How many people are there?"),
    known(Task::Vqa, "What is in the background?"),
    known(Task::Detection, "Detect everything."),
    foreign(Task::Detection, "Find all people."),
    known(Task::Segmentation, "Segment everything."),
    foreign(Task::Segmentation, "Segment the people."),
    known(Task::GroundingDetection, "Draw a box around {}."),
    known(Task::GroundingDetection, "Draw a box around {} and one around {1}."),
    known(Task::GroundingDetection, "Find the thing on the left."),
    known(Task::GroundingSegmentation, "Segment {}."),
    known(Task::GroundingSegmentation, "Segment {} and {1}."),
    known(Task::GroundingSegmentation, "Cut out the nearest thing."),
    known(Task::GcgDetection, "Describe the image with boxes."),
    known(Task::GcgDetection, "What do you see? Draw a box around each thing."),
    known(Task::GcgSegmentation, "Describe the image with masks."),
    known(Task::GcgSegmentation, "What do you see? Segment each thing."),
    known(Task::KeypointDetection, "Show the pose of every person."),
    known(Task::GroundingKeypoints, "Show the pose of {}."),
    known(Task::Depth, "Estimate the depth."),
    known(Task::Mixed, "Show me the depth, and mark {} with a mask."),
    known(Task::Mixed, "Mark {} with a box and {1} with a mask."),
    known(Task::Mixed, "Give me the depth map and a box for {}."),
];

/// What is asked of a picture when nothing was written.
pub fn default_question(task: Task) -> Ready {
    match task {
        Task::Vqa => known(task, "Describe the picture."),
        Task::Detection => known(task, "Detect everything."),
        Task::GroundingDetection => foreign(task, "Detect everything."),
        Task::Segmentation => known(task, "Segment everything."),
        Task::GroundingSegmentation => foreign(task, "Segment everything."),
        Task::GcgDetection | Task::GcgSegmentation | Task::Mixed => {
            foreign(task, "Describe the picture.")
        }
        Task::KeypointDetection => known(task, "Show the pose of every person."),
        Task::GroundingKeypoints => foreign(task, "Show the pose of every person."),
        Task::Depth => known(task, "How far away is everything?"),
    }
}

/// What is asked about a prompt when nothing was written.
pub fn pointed_question(task: Task) -> Ready {
    match task {
        Task::Vqa => known(task, "What is {}?"),
        Task::GroundingDetection => known(task, "Put a box around {}."),
        Task::Detection | Task::GcgDetection => foreign(task, "Put a box around {}."),
        Task::GroundingKeypoints => known(task, "Show the pose of {}."),
        Task::KeypointDetection => foreign(task, "Show the pose of {}."),
        Task::GroundingSegmentation => known(task, "Segment {}."),
        Task::Segmentation | Task::GcgSegmentation | Task::Depth | Task::Mixed => {
            foreign(task, "Segment {}.")
        }
    }
}

/// The question that someone means who wrote `words`, maybe nothing, and pointed with `prompts`.
/// Without a task the words decide on one; a bare picture is described.
pub fn completed(task: Option<Task>, words: &str, prompts: Vec<Prompt>) -> Ask {
    let words = words.trim();
    let task = task.unwrap_or_else(|| match (words, prompts.len()) {
        ("", 0) => Task::Vqa,
        (words, count) => task_of(words, count),
    });
    let text = match (words, prompts.len()) {
        ("", 0) => default_question(task).about(&[]).unwrap_or_default(),
        ("", _) => pointed_question(task).about(&[1]).unwrap_or_default(),
        (words, _) => words.to_string(),
    };
    Ask::new(task, text, prompts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ready_made_questions_need_their_prompts() {
        let question = known(Task::Mixed, "Mark {} with a box and {1} with a mask.");
        assert_eq!(question.prompts(), 2);
        assert_eq!(question.about(&[3]), None);
        let words = "Mark [prompt 3] with a box and [prompt 1] with a mask.";
        assert_eq!(question.about(&[3, 1]).as_deref(), Some(words));
    }

    #[test]
    fn every_task_has_a_question_without_and_with_a_prompt() {
        for task in Task::ALL {
            for (question, prompts) in [(default_question(task), 0), (pointed_question(task), 1)] {
                assert_eq!((question.task, question.prompts()), (task, prompts));
                let point = vec![Prompt::Point { x: 0.0, y: 0.0 }; prompts];
                Ask::new(task, question.about(&[1]).unwrap(), point).parts().unwrap();
            }
        }
    }

    #[test]
    fn what_is_not_written_is_completed() {
        let point = || vec![Prompt::Point { x: 0.0, y: 0.0 }];
        let of = |task, words: &str, prompts| {
            let ask = completed(task, words, prompts);
            (ask.task, ask.text)
        };
        assert_eq!(of(None, " ", vec![]), (Task::Vqa, "Describe the picture.".into()));
        let segment = (Task::GroundingSegmentation, "Segment [prompt 1].".to_string());
        assert_eq!(of(None, "", point()), segment);
        assert_eq!(of(Some(Task::Vqa), "", point()), (Task::Vqa, "What is [prompt 1]?".into()));
        assert_eq!(of(None, "Is it a dog?", vec![]), (Task::Vqa, "Is it a dog?".into()));
    }
}
