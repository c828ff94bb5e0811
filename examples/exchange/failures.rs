//! What happens when something is wrong: the exact error at the receiver, and what the sender learns of it.

use std::time::SystemTime;

use as2_protocol::bytes::Bytes;
use as2_protocol::http::{Request, Response};
use as2_protocol::{Advice, Compression, Identity, MessageBuilder, Outbound, Partner, SendOutcome};

use crate::company::{Company, Finding};
use crate::keys::Credentials;
use crate::options::Document;
use crate::story::{Party, Story};
use crate::{Fallible, generate, trusting};

/// A message that will not be taken as it is.
struct Case {
    title: &'static str,
    story: &'static str,
    sent: Outbound,
    /// What reaches the receiver: the message, or what became of it on the way.
    request: Request<Bytes>,
}

/// Sends a message twice, then one message for each failure.
pub(crate) async fn show(story: &Story<'_>, document: &Document, from: &mut Party, to: &mut Party) -> Fallible<()> {
    lost_answer(story, document, from, to).await?;
    let stranger = generate("Stranger").await?;
    for case in cases(document, &from.company, &to.company, &stranger)? {
        show_case(story, case, from, to).await?;
    }
    Ok(())
}

/// The sender misses the answer and sends the same octets again.
async fn lost_answer(story: &Story<'_>, document: &Document, from: &Party, to: &mut Party) -> Fallible<()> {
    story.out.heading("Failure: the answer gets lost, and the message is sent twice");
    let sent = from.company.build(document, &from.company.partner)?;
    from.company.store.save_outbound(&sent)?;
    let mut answers: Vec<Response<Bytes>> = Vec::new();
    for _ in 0..2 {
        answers.push(story.client.post(sent.request.to_request()).await?);
        let arrival = story.arrival(to, sent.pending.message_id().bare()).await.ok_or("the message did not arrive")?;
        let text = match arrival.finding {
            Finding::Stored { .. } => "new: stored, then acknowledged",
            Finding::Duplicate => "received before: not stored again, the first answer is given again",
            _ => "not taken",
        };
        story.out.step("open", text, Some(arrival.opening));
    }
    let same = answers.first().map(Response::body) == answers.last().map(Response::body);
    let text = if same { "both receipts are equal, octet for octet" } else { "the receipts differ" };
    story.out.verdict("verdict", same, text, None);
    for answer in &answers {
        let _ = from.company.conclude(&sent.pending, Ok(answer))?;
    }
    Ok(())
}

fn cases(document: &Document, sender: &Company, receiver: &Company, stranger: &Credentials) -> Fallible<Vec<Case>> {
    let build = |identity: &Identity, partner: &Partner| -> Fallible<Outbound> {
        Ok(MessageBuilder::new(identity, partner).subject("Failure").build(document.payload()?, SystemTime::now())?)
    };
    let (us, partner, profile) = (&sender.identity, &sender.partner, sender.partner.profile());
    let mut nobody = profile.clone();
    nobody.us = "Nobody Ltd".parse()?;
    let mut signed_only = profile.clone();
    signed_only.send.encrypt = None;
    signed_only.send.compress = Compression::None;
    let certificate = receiver.identity.signing_certificate().ok_or("the receiver has no certificate")?;

    let wrong_recipient = build(us, &trusting(profile.clone(), &stranger.certificate)?)?;
    let wrong_signer = build(&stranger.identity()?, partner)?;
    let (encrypted, signed) = (build(us, partner)?, build(us, &trusting(signed_only, certificate)?)?);
    let unknown = build(us, &trusting(nobody, certificate)?)?;
    Ok(vec![
        Case::new(
            "encrypted to a wrong certificate",
            "The sender uses a certificate whose private key the receiver does not have, perhaps an old one.",
            wrong_recipient,
        ),
        Case::new(
            "signed with a wrong certificate",
            "The signature is valid, but its certificate is not the one that was agreed.",
            wrong_signer,
        ),
        Case::new(
            "an encrypted body is changed on the wire",
            "The receiver knows exactly what is wrong. The sender gets the same answer whatever it is, because the \
             difference would help an attacker to decrypt; operators find the cause by the reference.",
            encrypted,
        )
        .tampered(),
        Case::new(
            "a signed body is changed on the wire",
            "The message is not encrypted, so the exact reason reveals nothing and is told.",
            signed,
        )
        .tampered(),
        Case::new(
            "a sender whom nobody knows",
            "There is no agreement with this name. The receipt explains, but is not signed.",
            unknown,
        ),
    ])
}

impl Case {
    fn new(title: &'static str, story: &'static str, sent: Outbound) -> Self {
        Self { title, story, request: sent.request.to_request(), sent }
    }

    /// Changes one octet in the middle of the body, as a broken or hostile proxy would.
    fn tampered(mut self) -> Self {
        let mut body = self.request.body().to_vec();
        let middle = body.len() / 2;
        if let Some(octet) = body.get_mut(middle) {
            *octet ^= 1;
        }
        *self.request.body_mut() = body.into();
        self
    }
}

async fn show_case(story: &Story<'_>, case: Case, from: &Party, to: &mut Party) -> Fallible<()> {
    story.out.heading(format_args!("Failure: {}", case.title));
    story.out.paragraph(case.story);
    story.out.blank();
    from.company.store.save_outbound(&case.sent)?;
    let answer = story.client.post(case.request).await;
    let arrival = story.arrival(to, case.sent.pending.message_id().bare()).await.ok_or("the message did not arrive")?;
    if let Finding::Refused { code, error, layers, answer, reference } = &arrival.finding {
        let layers: Vec<_> = layers.iter().map(ToString::to_string).collect();
        let opened = if layers.is_empty() { "nothing".to_owned() } else { layers.join(", ") };
        story.out.step("open", format!("{opened}, then refused"), Some(arrival.opening));
        story.out.verdict("error", false, format!("{code}: {error}"), None);
        if let Some(reference) = reference {
            story.out.detail(format!("logged under reference {reference}"));
        }
        story.out.detail(format!("answered: {answer}"));
    }
    let outcome = from.company.conclude(&case.sent.pending, answer.as_ref().map_err(Clone::clone))?;
    if let SendOutcome::Settled(outcome) = &outcome
        && let Some(evidence) = outcome.evidence()
    {
        story.show_receipt(evidence);
    }
    story.out.step("advice", advice(outcome.advice()), None);
    Ok(())
}

fn advice(advice: Advice) -> &'static str {
    match advice {
        Advice::Done => "nothing to do",
        Advice::Wait => "wait for the receipt",
        Advice::RetrySameId => "send the same octets again later",
        Advice::ResubmitNewId => "mend the cause, then send the document as a new message",
        Advice::AskPartner => "ask the partner what arrived",
        Advice::DoNotResend => "do not send it again",
        Advice::FixAccess => "mend the access to the partner's server",
        _ => "look into it",
    }
}
