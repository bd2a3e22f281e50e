//! Sending against a scripted SES.
#![cfg(test)]

use mail::{Address, Config, ErrorKind, Mail, Mailer, Sender};
use retry::Disposition;
use serde_json::json;
use vendor_http::test_support::{Server, Step};

async fn mailer(script: impl IntoIterator<Item = Step>) -> (Mailer, Server) {
    let server = Server::start(script).await.unwrap();
    // What all other clients of a function do must not be done here.
    let aws = aws::Config::at(&server.url()).unwrap();
    let aws = aws.with_patience(aws::Patience::DEFAULT);
    let config = Config {
        from: Some(Sender::parse("Büro <care@acme.com>").unwrap()),
        configuration_set: Some("closedloop".to_owned()),
    };
    (Mailer::new(&aws, config), server)
}

fn mail() -> Mail {
    Mail {
        id: "mail_1".to_owned(),
        to: vec![Address::parse("bea@example.com").unwrap()],
        cc: Vec::new(),
        subject: "Grüße".to_owned(),
        html: None,
        text: Some("Hi".to_owned()),
        tags: vec![("mail", "mail_1".to_owned())],
    }
}

#[tokio::test]
async fn mail_goes_out_as_it_is() {
    let (mailer, server) = mailer([Step::json(200, json!({"MessageId": "m-1"}))]).await;
    assert_eq!(mailer.send(&mail()).await.unwrap(), "m-1");
    let [request] = server.received().try_into().unwrap();
    assert_eq!(request.target, "/v2/email/outbound-emails");
    assert_eq!(
        request.json(),
        json!({
            "FromEmailAddress": "=?UTF-8?Q?B=C3=BCro?= <care@acme.com>",
            "Destination": {"ToAddresses": ["bea@example.com"]},
            "Content": {"Simple": {
                "Subject": {"Data": "Grüße", "Charset": "UTF-8"},
                "Body": {"Text": {"Data": "Hi", "Charset": "UTF-8"}},
                "Headers": [{"Name": "X-Closedloop-Mail", "Value": "mail_1"}],
            }},
            "EmailTags": [{"Name": "mail", "Value": "mail_1"}],
            "ConfigurationSetName": "closedloop",
        })
    );
}

#[tokio::test]
async fn each_failure_says_whether_the_mail_may_be_out() {
    let refusal = |status: u16, code: &str| {
        let words = "Address is not verified: bea@example.com";
        Step::json(status, json!({"message": words})).with("x-amzn-errortype", code)
    };
    for (step, expected) in [
        (refusal(400, "MessageRejected"), Disposition::GiveUp),
        (refusal(429, "TooManyRequestsException"), Disposition::RETRY),
        (refusal(403, "AccessDeniedException"), Disposition::GiveUp),
        (refusal(500, "InternalFailure"), Disposition::RECONCILE),
        (refusal(503, "ServiceUnavailable"), Disposition::RECONCILE),
        (Step::Lose, Disposition::RECONCILE),
        (Step::json(200, "no JSON"), Disposition::RECONCILE),
    ] {
        let shown = format!("{step:?}");
        // Whatever comes, it is asked once.
        let (mailer, server) = mailer([step, Step::json(200, json!({"MessageId": "m"}))]).await;
        let error = mailer.send(&mail()).await.unwrap_err();
        assert_eq!(error.disposition(), expected, "{shown}: {error}");
        assert!(!error.to_string().contains("bea@"), "{error}");
        assert!(!format!("{error:?}").contains("bea@"), "{error:?}");
        assert_eq!(server.received().len(), 1, "{shown}");
    }
}

#[tokio::test]
async fn nothing_is_sent_without_a_sender() {
    let aws = aws::Config::at("http://127.0.0.1:1").unwrap();
    let mailer = Mailer::new(&aws, Config::default());
    assert!(!mailer.is_set_up());
    let error = mailer.send(&mail()).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::NotSetUp);
    assert_eq!(error.disposition(), Disposition::GiveUp);
}
