use domain::Connection;

/// What is to be stored after a record was read; `None` when that is there already.
///
/// What is known stays known: the vendor leaves out what it does not have at the moment. Above all an end never gets lost,
/// nor the task that somebody else has found out. Only the supporter's note follows the vendor in any case, because people
/// change it there. The account stays that of the first reading, so that the connection is told by one name.
pub fn merge(stored: Option<&Connection>, read: Connection) -> Option<Connection> {
    let Some(stored) = stored else {
        return Some(read);
    };
    let known = stored.clone();
    let party = |mut read: domain::connection::Party, known: domain::connection::Party| {
        // Of another device the name that was known is not the name.
        if read.id.is_none() || read.id == known.id {
            read.name = read.name.or(known.name);
        }
        read.id = read.id.or(known.id);
        read
    };
    let merged = Connection {
        id: known.id,
        account: known.account,
        started_at: read.started_at,
        ended_at: read.ended_at.or(known.ended_at),
        supporter: party(read.supporter, known.supporter),
        customer: domain::connection::Customer {
            name: read.customer.name.or(known.customer.name),
            email: read.customer.email.or(known.customer.email),
        },
        device: party(read.device, known.device),
        group: party(read.group, known.group),
        code: read.code.or(known.code),
        kind: read.kind.or(known.kind),
        note: read.note,
        description: read.description.or(known.description),
        rating: read.rating.or(known.rating),
        comment: read.comment.or(known.comment),
        task: match (
            known.task,
            read.task.filter(domain::TaskReference::is_known),
        ) {
            // What ServiceNow has said of it is better than what a clue does.
            (Some(known), Some(read)) if known.fits(&read) => Some(known.or(Some(&read))),
            (known, read) => read.or(known),
        },
    };
    (merged != *stored).then_some(merged)
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::TaskReference;
    use serde_json::{Value, json};

    fn connection(more: Value) -> Connection {
        let mut document = json!({
            "id": "c-1", "account": "tv", "started_at": "2026-11-21T10:00:00Z"
        });
        let fields = document.as_object_mut().unwrap();
        fields.extend(more.as_object().unwrap().clone());
        serde_json::from_value(document).unwrap()
    }

    #[test]
    fn new_record_is_stored_and_one_that_says_nothing_new_is_not() {
        let first = connection(json!({"note": "x", "device": {"id": "1", "name": "PC"}}));
        assert_eq!(merge(None, first.clone()), Some(first.clone()));
        assert_eq!(merge(Some(&first), first.clone()), None);
        let sparse = connection(json!({"note": "x"}));
        assert_eq!(merge(Some(&first), sparse), None);
        let elsewhere = connection(json!({"note": "x", "account": "tv-2", "id": "C-1"}));
        assert_eq!(merge(Some(&first), elsewhere), None);
    }

    #[test]
    fn end_comes_and_never_goes_and_may_be_corrected() {
        let open = connection(json!({}));
        let ended = connection(json!({"ended_at": "2026-11-21T10:05:00Z"}));
        let later = connection(json!({"ended_at": "2026-11-21T10:06:00Z"}));
        assert_eq!(merge(Some(&open), ended.clone()), Some(ended.clone()));
        assert_eq!(merge(Some(&ended), open), None);
        assert_eq!(merge(Some(&ended), later.clone()), Some(later));
    }

    #[test]
    fn task_is_completed_or_replaced_by_another_and_never_by_nothing() {
        let known = connection(json!({
            "task": {"instance": "dev1", "table": "incident", "number": "INC0010001", "sys_id": "a".repeat(32)}
        }));
        for task in [
            None,
            Some(json!({})),
            Some(json!({"number": "INC0010001", "table": "incident"})),
            Some(json!({"number": "INC0010001", "table": "task"})),
            Some(json!({"sys_id": "a".repeat(32), "table": "problem"})),
        ] {
            let read = connection(task.map_or(json!({}), |task| json!({"task": task})));
            assert_eq!(merge(Some(&known), read), None);
        }
        let read = connection(json!({"task": {"number": "INC0010002"}}));
        let merged = merge(Some(&known), read).unwrap();
        assert_eq!(
            merged.task,
            Some(TaskReference {
                number: Some("INC0010002".to_owned()),
                ..TaskReference::default()
            })
        );
    }

    #[test]
    fn note_follows_the_vendor() {
        let noted = connection(json!({"note": "x", "description": "d"}));
        let merged = merge(Some(&noted), connection(json!({}))).unwrap();
        assert_eq!(merged, connection(json!({"description": "d"})));
    }

    #[test]
    fn name_of_another_device_is_not_kept() {
        let stored = connection(json!({"device": {"id": "1", "name": "PC"}}));
        let read = connection(json!({"device": {"id": "2"}}));
        let merged = merge(Some(&stored), read).unwrap();
        assert_eq!(
            (merged.device.id.as_deref(), merged.device.name),
            (Some("2"), None)
        );
    }
}
