//! The questions of surveys, remembered for a while: many responses belong to few surveys.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use domain::AccountName;
use jiff::{SignedDuration, Timestamp};
use qualtrics::{Question, SurveyId};
use tokio::sync::Mutex;

/// A survey that is changed is seen so after this time.
const REMEMBERED: SignedDuration = SignedDuration::from_mins(10);
/// After a failure the survey is left alone for this time: its responses go on without it.
const LEFT_ALONE: SignedDuration = SignedDuration::from_secs(30);
/// Surveys in memory. A function that has seen more forgets all and begins again.
const MOST: usize = 50;

/// The questions of a survey by their ids.
pub(crate) type Questions = Arc<BTreeMap<String, Question>>;

/// What is known, `None` where asking failed, and since when.
type Slot = Option<(Timestamp, Option<Questions>)>;

/// By account as well: what one user may read another may not.
type Slots = HashMap<(AccountName, SurveyId), Arc<Mutex<Slot>>>;

/// Surveys, each with a lock of its own: many responses ask once.
#[derive(Debug, Default)]
pub(crate) struct Surveys {
    slots: Mutex<Slots>,
}

impl Surveys {
    /// The questions of a survey, from memory or by asking; whoever comes meanwhile waits for the answer.
    pub(crate) async fn get<F>(
        &self,
        account: &AccountName,
        survey: &SurveyId,
        now: Timestamp,
        ask: F,
    ) -> Option<Questions>
    where
        F: Future<Output = Option<Questions>>,
    {
        let slot = self.slot(account, survey).await;
        let mut slot = slot.lock().await;
        if let Some((since, questions)) = &*slot {
            let kept = if questions.is_some() {
                REMEMBERED
            } else {
                LEFT_ALONE
            };
            if now.duration_since(*since) < kept {
                return questions.clone();
            }
        }
        // Noted before, in case that this is broken off.
        *slot = Some((now, None));
        let questions = ask.await;
        *slot = Some((now, questions.clone()));
        questions
    }

    async fn slot(&self, account: &AccountName, survey: &SurveyId) -> Arc<Mutex<Slot>> {
        let mut slots = self.slots.lock().await;
        let key = (account.clone(), survey.clone());
        if slots.len() >= MOST && !slots.contains_key(&key) {
            slots.clear();
        }
        Arc::clone(slots.entry(key).or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn survey_is_asked_for_once_in_a_while_and_sooner_after_a_failure() {
        let surveys = Surveys::default();
        let account = AccountName::parse("feedback").unwrap();
        let survey = SurveyId::parse("SV_1").unwrap();
        let start = Timestamp::from_second(1_795_262_400).unwrap();
        let questions = || {
            Some(Arc::new(BTreeMap::from([(
                "QID1".to_owned(),
                Question::default(),
            )])))
        };
        // Seconds, what asking brings (`None`: nobody may ask), whether questions are had.
        for (second, answer, had) in [
            (0, Some(None), false),
            (29, None, false),
            (30, Some(questions()), true),
            (629, None, true),
            (630, Some(None), false),
        ] {
            let now = start + SignedDuration::from_secs(second);
            let ask = async { answer.unwrap_or_else(|| panic!("asked after {second} s")) };
            let found = surveys.get(&account, &survey, now, ask).await;
            assert_eq!(found.is_some(), had, "{second}");
        }
    }

    #[tokio::test]
    async fn memory_has_an_end() {
        let surveys = Surveys::default();
        let account = AccountName::parse("feedback").unwrap();
        for number in 0..200 {
            let survey = SurveyId::parse(&format!("SV_{number}")).unwrap();
            surveys
                .get(&account, &survey, Timestamp::UNIX_EPOCH, async { None })
                .await;
        }
        assert!(surveys.slots.lock().await.len() <= MOST);
    }
}
