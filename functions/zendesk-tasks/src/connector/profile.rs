//! Profiles. What is written can be written again without harm, so nothing is looked for after a lost answer.

use task_runner::{Done, Failed};
use zendesk::Profile;

use super::{Session, failed};
use crate::mapping::Problem;
use crate::mapping::profile::{self, ToWrite};

const EXISTED: &str = "the profile was there already (perhaps from an earlier attempt): what was sent has been merged into it, and nothing of it was lost";

const REPLACED: &str = "somebody else created the profile at the same moment, and Zendesk put what was sent in its place: look whether something is missing";

/// Zendesk's own create replaces a profile that it finds, with all that is known about a returning customer. So this
/// looks first, and adds to what is there.
pub(super) async fn create(
    mut session: Session,
    ToWrite { key, content }: &ToWrite,
) -> Result<Done, Failed> {
    let result = session.client.get_profile(key).await;
    let Some(found) = session.calls.read(result.map_err(failed))? else {
        let result = session.client.put_profile(key, content).await;
        let replaced = matches!(&result, Ok(answer) if answer.call.status == Some(200));
        let profile = session
            .calls
            .wrote(result.map_err(failed), content.body())?;
        let mut warnings = profile::warnings(content, &profile);
        if replaced {
            warnings.push(REPLACED.to_owned());
        }
        return Ok(done(session, &profile, warnings));
    };
    let profile = match content.patch() {
        Ok(body) => {
            let result = session.client.patch_profile(key, content).await;
            session.calls.wrote(result.map_err(failed), body)?
        }
        // There was nothing to add to it.
        Err(_) => found,
    };
    let compared = profile::warnings(content, &profile);
    let warnings = [EXISTED.to_owned()].into_iter().chain(compared).collect();
    Ok(done(session, &profile, warnings))
}

pub(super) async fn update(
    mut session: Session,
    ToWrite { key, content }: &ToWrite,
) -> Result<Done, Failed> {
    let body = content.patch().map_err(Problem::from)?;
    let result = session.client.patch_profile(key, content).await;
    let profile = session.calls.wrote(result.map_err(failed), body)?;
    let warnings = profile::warnings(content, &profile);
    Ok(done(session, &profile, warnings))
}

/// Agents see a profile on the page of its user.
fn done(session: Session, profile: &Profile, warnings: Vec<String>) -> Done {
    let user = profile.user_id.as_deref();
    let link = user.map(|id| session.client.user_link(id));
    let output = profile::output(profile, link.as_deref());
    session.done(output, link, warnings)
}
