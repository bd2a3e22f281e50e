//! Mailing a code, once.

use domain::{AccountName, MailTemplate, TemplateName};
use serde_json::{Value, json};
use service_cases::{CaseMail, Error, ErrorKind, Sender, SentCaseMail};

use crate::stack::{CODE, SECRET, Stack, account, after, case, code, now, settings};

fn request() -> CaseMail {
    CaseMail {
        template: TemplateName::parse("TV_Share").unwrap(),
        to: Vec::new(),
        cc: Vec::new(),
        share_id: None,
        resend: false,
    }
}

fn ann(account: &AccountName) -> Sender<'_> {
    Sender {
        name: "Ann",
        account,
    }
}

/// A stack with a case of that task, and a template.
async fn stack(task: Value) -> Stack {
    let stack = Stack::new().await;
    let mut case = case(CODE);
    case["custom_api"] = json!(task.to_string());
    stack.teamviewer.put_sessions(&json!([case])).await.unwrap();
    put_template(&stack, json!({
        "name": "TV_Share", "subject": "Your code ${teamviewer.code}",
        "text": "Dear ${caller_id}, open ${teamviewer.link} until ${teamviewer.valid_until}. ${current_user}",
        "html": "<p>Dear ${incident.caller_id}: <b>${short_description}</b></p>",
    })).await;
    stack
}

async fn put_template(stack: &Stack, template: Value) {
    let template: MailTemplate = serde_json::from_value(template).unwrap();
    let templates = store::MailTemplates::new(stack.tables.clone(), "teamviewer_table".to_owned());
    templates.put(&template).await.unwrap();
}

/// A stack whose case belongs to an incident.
async fn with_incident() -> Stack {
    let stack = stack(json!({})).await;
    let (number, sys_id) = stack.incident("a < b\nc").await;
    let note = json!({"inst": "dev1", "table": "incident", "sys_id": sys_id, "number": number});
    let change = json!({"custom_api": note.to_string()});
    stack
        .teamviewer
        .change_session(CODE, &change)
        .await
        .unwrap();
    stack
}

async fn share(stack: &Stack, request: &CaseMail, seconds: i64) -> Result<SentCaseMail, Error> {
    stack
        .cases
        .share(
            &settings(),
            &code(),
            request,
            ann(&account()),
            after(seconds),
        )
        .await
}

#[tokio::test]
async fn mail_says_what_the_task_and_the_case_say() {
    let stack = with_incident().await;
    let shared = share(&stack, &request(), 0).await.unwrap();
    assert_eq!(
        (
            shared.message_id.as_str(),
            shared.repeated,
            shared.recipients
        ),
        ("ses-1", false, 1)
    );
    assert_eq!(shared.warnings, Vec::<String>::new());
    let [mail] = stack.aws().mails.clone().try_into().unwrap();
    assert_eq!(mail["FromEmailAddress"], "\"Acme Care\" <care@acme.com>");
    assert_eq!(
        mail["Destination"],
        json!({"ToAddresses": ["bea@example.com"]})
    );
    let simple = &mail["Content"]["Simple"];
    assert_eq!(
        simple["Subject"],
        json!({"Data": format!("Your code {CODE}"), "Charset": "UTF-8"})
    );
    let html = simple["Body"]["Html"]["Data"].as_str().unwrap();
    assert_eq!(html, "<p>Dear Bea Lee: <b>a &lt; b<br>c</b></p>");
    let text = simple["Body"]["Text"]["Data"].as_str().unwrap();
    assert!(text.starts_with("Dear Bea Lee, open http"), "{text}");
    assert!(
        text.ends_with("until 2026-11-23 09:00:00 UTC. Ann"),
        "{text}"
    );
    assert_eq!(
        simple["Headers"],
        json!([{"Name": "X-Closedloop-Mail", "Value": shared.share_id}])
    );
    assert_eq!(
        mail["EmailTags"][0],
        json!({"Name": "mail", "Value": shared.share_id})
    );
    assert!(!mail.to_string().contains(SECRET), "{mail}");
}

#[tokio::test]
async fn ledger_knows_neither_text_nor_address() {
    let stack = with_incident().await;
    share(&stack, &request(), 0).await.unwrap();
    let ledger = stack
        .tables
        .scan()
        .table_name("teamviewer_table")
        .all_items()
        .await
        .unwrap();
    let row = ledger
        .iter()
        .find(|row| row["sk"].as_s().is_ok_and(|sk| sk == "mail"));
    let row = json!(row).to_string();
    assert!(row.contains("ses-1"), "{row}");
    for hidden in ["bea", "Dear", "Your code"] {
        assert!(!row.contains(hidden), "{row}");
    }
}

#[tokio::test]
async fn mail_that_was_sent_is_sent_again_under_another_name_only() {
    let stack = with_incident().await;
    share(&stack, &request(), 0).await.unwrap();
    let again = share(&stack, &request(), 60).await.unwrap();
    assert_eq!(
        (again.repeated, again.message_id.as_str(), again.sent_at),
        (true, "ses-1", now())
    );
    // The same people in another way are the same mail.
    let mut spelled = request();
    spelled.to = ["BEA@example.com", " bea@EXAMPLE.com"]
        .map(str::to_owned)
        .into();
    spelled.cc = vec!["bea@example.com".to_owned()];
    assert!(share(&stack, &spelled, 61).await.unwrap().repeated);
    assert_eq!(stack.aws().mails.len(), 1);
    let mut resend = request();
    resend.resend = true;
    let again = share(&stack, &resend, 62).await.unwrap();
    assert_eq!((again.repeated, again.message_id.as_str()), (true, "ses-1"));
    assert_eq!(stack.aws().mails.len(), 1);
    let mut another = request();
    another.share_id = Some("second".to_owned());
    assert_eq!(
        share(&stack, &another, 63).await.unwrap().message_id,
        "ses-2"
    );
    another.to = vec!["carl@example.com".to_owned()];
    let error = share(&stack, &another, 64).await.unwrap_err();
    assert!(matches!(error, Error::ShareIdTaken(_)), "{error}");
}

#[tokio::test]
async fn two_at_once_send_one() {
    let stack = with_incident().await;
    let (settings, request, code) = (settings(), request(), code());
    let company = account();
    let (one, two) = tokio::join!(
        stack
            .cases
            .share(&settings, &code, &request, ann(&company), now()),
        stack
            .other
            .share(&settings, &code, &request, ann(&company), now())
    );
    let outcomes = [one, two];
    assert!(outcomes.iter().any(Result::is_ok), "{outcomes:?}");
    assert_eq!(stack.aws().mails.len(), 1);
}

#[tokio::test]
async fn nobody_sends_again_what_may_have_been_sent() {
    let stack = with_incident().await;
    // SES has taken it, and the answer says nothing.
    stack.aws().ses = Some((0, ""));
    let error = share(&stack, &request(), 0).await.unwrap_err();
    assert!(error.to_string().contains("may have been sent"), "{error}");
    stack.aws().ses = None;
    let early = share(&stack, &request(), 30).await.unwrap_err();
    assert!(matches!(early, Error::BeingSent { .. }), "{early}");
    let late = share(&stack, &request(), 3_600).await.unwrap_err();
    assert!(
        matches!(late, Error::MailUnclear { since } if since == now()),
        "{late}"
    );
    assert_eq!(stack.aws().mails.len(), 1);
    let mut resend = request();
    resend.resend = true;
    // The answer to this is lost, and the client asks once more.
    for seconds in [3_601, 3_602] {
        let sent = share(&stack, &resend, seconds).await.unwrap();
        assert_eq!(sent.message_id, "ses-2");
    }
    assert_eq!(stack.aws().mails.len(), 2);
}

#[tokio::test]
async fn crash_between_sending_and_noting_sends_no_second_mail() {
    let stack = with_incident().await;
    // The claim goes through; what comes after it never does.
    let wanted = request();
    let sharing = share(&stack, &wanted, 0);
    let crash = async {
        while stack.aws().mails.is_empty() {
            tokio::task::yield_now().await;
        }
        stack.aws().down.push("UpdateItem mail#");
    };
    let (shared, ()) = tokio::join!(sharing, crash);
    let shared = shared.unwrap();
    assert_eq!(shared.warnings.len(), 1, "{:?}", shared.warnings);
    stack.aws().down.clear();
    let error = share(&stack, &request(), 3_600).await.unwrap_err();
    assert!(matches!(error, Error::MailUnclear { .. }), "{error}");
    assert_eq!(stack.aws().mails.len(), 1);
}

#[tokio::test]
async fn mail_that_was_refused_may_be_tried_again() {
    let stack = with_incident().await;
    for (answer, kind) in [
        ((400, "MessageRejected"), ErrorKind::Conflict),
        ((429, "TooManyRequestsException"), ErrorKind::Unavailable),
    ] {
        stack.aws().ses = Some(answer);
        let error = share(&stack, &request(), 0).await.unwrap_err();
        assert_eq!(error.kind(), kind, "{error}");
        assert!(error.to_string().contains(answer.1), "{error}");
        assert!(!error.to_string().contains("bea@"), "{error}");
    }
    stack.aws().ses = None;
    assert!(!share(&stack, &request(), 1).await.unwrap().repeated);
}

#[tokio::test]
async fn resend_that_was_refused_leaves_the_mail_as_it_was() {
    let mut resend = request();
    resend.resend = true;
    let unclear = with_incident().await;
    unclear.aws().ses = Some((0, ""));
    share(&unclear, &request(), 0).await.unwrap_err();
    unclear.aws().ses = Some((429, "TooManyRequestsException"));
    share(&unclear, &resend, 90).await.unwrap_err();
    unclear.aws().ses = None;
    let error = share(&unclear, &request(), 120).await.unwrap_err();
    assert!(matches!(error, Error::MailUnclear { .. }), "{error}");
    assert_eq!(unclear.aws().mails.len(), 1);
    assert_eq!(
        share(&unclear, &resend, 121).await.unwrap().message_id,
        "ses-2"
    );
}

#[tokio::test]
async fn recipient_is_the_customer_else_the_caller_else_nobody() {
    let stack = with_incident().await;
    let nobody = json!({"end_customer": {"name": "Bea", "email": ""}});
    stack
        .teamviewer
        .change_session(CODE, &nobody)
        .await
        .unwrap();
    let (settings, wanted, code, company) = (settings(), request(), code(), account());
    let preview = stack
        .cases
        .preview_mail(&settings, &code, &wanted, ann(&company), now());
    assert_eq!(preview.await.unwrap().to, ["bea@example.com"]);

    let alone = stack_of_nobody().await;
    let error = share(&alone, &request(), 0).await.unwrap_err();
    assert_eq!(error.field(), Some("to"), "{error}");
    assert_eq!(stack.aws().mails.len(), 0, "a preview sends nothing");
}

/// A stack whose case has neither customer nor task.
async fn stack_of_nobody() -> Stack {
    let stack = stack(json!({})).await;
    let nobody = json!({"end_customer": null, "description": "x", "custom_api": null});
    stack
        .teamviewer
        .change_session(CODE, &nobody)
        .await
        .unwrap();
    stack
}

#[tokio::test]
async fn words_of_a_customer_lead_to_nobody_elses_task() {
    // A workflow has created the first without a task; the second is of another program.
    for (carried, has_task) in [("tk_1", false), ("PRJ-1", true)] {
        let stack = stack(json!({"key": carried})).await;
        let (number, _) = stack.incident("Printer").await;
        let change = json!({"description": format!("see {number}"), "end_customer": null});
        let changed = stack.teamviewer.change_session(CODE, &change);
        changed.await.unwrap();
        let mut request = request();
        let unaddressed = share(&stack, &request, 0).await;
        assert_eq!(unaddressed.is_ok(), has_task, "{unaddressed:?}");
        request.to = vec!["eve@example.com".to_owned()];
        share(&stack, &request, 1).await.unwrap();
        let mails = json!(stack.aws().mails);
        for text in ["Printer", "Bea", "bea@example.com"] {
            assert_eq!(mails.to_string().contains(text), has_task, "{mails}");
        }
    }
}

#[tokio::test]
async fn table_that_is_not_set_is_read_for_nobody() {
    for names_table in [true, false] {
        let stack = stack(json!({})).await;
        let (number, sys_id) = stack.incident("Printer").await;
        let task = json!({"sys_id": sys_id, "number": number, "table": "incident"});
        let task = if names_table {
            task
        } else {
            json!({"sys_id": sys_id})
        };
        let change = json!({"custom_api": task.to_string()});
        stack
            .teamviewer
            .change_session(CODE, &change)
            .await
            .unwrap();
        let mut settings = settings();
        let company = account();
        let request = CaseMail {
            to: vec!["eve@example.com".to_owned()],
            ..request()
        };
        for (table, is_read) in [("problem", false), ("task", false), ("incident", true)] {
            if let Some(cases) = &mut settings.cases {
                cases.tables = vec![table.to_owned()];
            }
            let code = code();
            let preview =
                stack
                    .cases
                    .preview_mail(&settings, &code, &request, ann(&company), now());
            let preview = preview.await.unwrap();
            let text = preview.text.unwrap_or_default() + &preview.subject;
            assert_eq!(text.contains("Bea Lee"), is_read, "{table}: {text}");
            let warnings = preview.warnings.join(" ");
            let names_both = warnings.contains("`incident`") && warnings.contains("`cases.tables`");
            assert_eq!(names_both, !is_read, "{table}: {warnings}");
        }
    }
}

#[tokio::test]
async fn what_is_known_of_a_case_is_mailed_by_those_who_may_see_it() {
    let stack = with_incident().await;
    stack.sign_in("ann").await;
    let bob = stack.sign_in("bob").await;
    let company = account();
    stack.cases.case(&code(), &company, now()).await.unwrap();
    for (shared, is_shown) in [(false, false), (true, true)] {
        stack.share_company(shared).await;
        let (code, request, settings) = (code(), request(), settings());
        let preview = stack
            .cases
            .preview_mail(&settings, &code, &request, ann(&bob), now());
        let preview = preview.await;
        assert_eq!(preview.is_ok(), is_shown, "{shared}: {:?}", preview.err());
    }
}

#[tokio::test]
async fn what_cannot_be_shared_is_refused_before_anything_is_sent() {
    let stack = with_incident().await;
    let many: Vec<String> = (0..11)
        .map(|number| format!("a{number}@example.com"))
        .collect();
    for (change, field) in [
        (
            CaseMail {
                to: vec!["bea@example.com\r\nBcc: eve@example.com".to_owned()],
                ..request()
            },
            "to",
        ),
        (
            CaseMail {
                cc: many[..10].to_vec(),
                ..request()
            },
            "to",
        ),
        (
            CaseMail {
                to: many,
                ..request()
            },
            "to",
        ),
        (
            CaseMail {
                share_id: Some("a b".to_owned()),
                ..request()
            },
            "share_id",
        ),
        (
            CaseMail {
                template: TemplateName::parse("TV_None").unwrap(),
                ..request()
            },
            "template",
        ),
    ] {
        let error = share(&stack, &change, 0).await.unwrap_err();
        assert_eq!(error.field(), Some(field), "{error}");
    }
    stack
        .teamviewer
        .change_session(CODE, &json!({"state": "closed"}))
        .await
        .unwrap();
    let error = share(&stack, &request(), 0).await.unwrap_err();
    assert!(matches!(error, Error::CaseOver { .. }), "{error}");
    assert_eq!(stack.aws().mails.len(), 0);
}

#[tokio::test]
async fn field_without_value_is_warned_of() {
    let stack = stack_of_nobody().await;
    let mut to = request();
    to.to = vec!["bea@example.com".to_owned()];
    let shared = share(&stack, &to, 0).await.unwrap();
    assert_eq!(shared.warnings.len(), 4, "{:?}", shared.warnings);
}
