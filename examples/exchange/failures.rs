//! What happens when something is wrong: the exact error at the receiver, and what the sender learns of it.

use std::time::{Instant, SystemTime};

use as2_protocol::bytes::Bytes;
use as2_protocol::http::{Request, Response};
use as2_protocol::{Advice, Compression, Identity, MessageBuilder, Outbound, Partner, SendOutcome};

use crate::company::{Arrived, Company, Finding};
use crate::keys::Credentials;
use crate::options::Document;
use crate::story::{Party, Story, describe_answer, list};
use crate::terminal::octets;
use crate::{Fallible, generate, trusting};

/// A message that will not be taken.
struct Case {
    title: &'static str,
    story: &'static str,
    sent: Outbound,
    /// What reaches the receiver: the message, or what became of it on the way.
    request: Request<Bytes>,
}

/// Sends a message twice, then one message for each failure. Tells whether all of it was handled as it must be.
pub(crate) async fn show(story: &Story<'_>, document: &Document, from: &mut Party, to: &mut Party) -> Fallible<bool> {
    let mut as_expected = lost_answer(story, document, from, to).await?;
    let stranger = generate("Stranger").await?;
    for case in cases(document, &from.company, &to.company, &stranger)? {
        as_expected &= show_case(story, case, from, to).await?;
    }
    Ok(as_expected)
}

/// The sender misses the answer and sends the same octets again.
async fn lost_answer(story: &Story<'_>, document: &Document, from: &Party, to: &mut Party) -> Fallible<bool> {
    story.out.heading("Failure: the answer gets lost");
    story.out.paragraph("The sender does not know whether his message arrived, and sends the same octets once more.");
    story.out.blank();
    let sent = from.company.build(document, &from.company.partner)?;
    from.company.store.save_outbound(&sent)?;
    let mut answers: Vec<Response<Bytes>> = Vec::new();
    for attempt in ["first", "second"] {
        let start = Instant::now();
        let answer = story.client.post(sent.request.to_request()).await;
        let text = format!("{attempt} attempt: {}", describe_answer(&answer));
        story.out.step("send", text, Some(start.elapsed()));
        let text = match arrival(story, to, &sent).await?.finding {
            Finding::Stored { .. } => "new: stored, then acknowledged",
            Finding::Duplicate => "received before: not stored again, the first answer is given again",
            _ => "not taken",
        };
        story.out.detail(text);
        answers.push(answer?);
    }
    let same = answers.first().map(Response::body) == answers.last().map(Response::body);
    let text = if same { "one document, and two equal receipts, octet for octet" } else { "the receipts differ" };
    story.out.verdict("verdict", same, text, None);
    for answer in &answers {
        // The second receipt changes nothing: the first one has settled the message.
        let _ = from.company.conclude(&sent.pending, Ok(answer))?;
    }
    Ok(same)
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
    let certificate =
        receiver.identity.signing_certificate(SystemTime::now()).ok_or("the receiver has no certificate")?;

    let wrong_recipient = build(us, &trusting(profile.clone(), &stranger.certificate)?)?;
    let wrong_signer = build(&stranger.identity()?, partner)?;
    let (encrypted, signed) = (build(us, partner)?, build(us, &trusting(signed_only, certificate)?)?);
    // The envelope holds the compressed document in its first half, and the signature in its second one.
    let encrypted_middle = encrypted.request.body().len() / 3;
    let payload_middle = find(signed.request.body(), &document.body) + document.body.len() / 2;
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
        .tampered(encrypted_middle),
        Case::new(
            "a signed body is changed on the wire",
            "The message is not encrypted, so the exact reason reveals nothing and is told.",
            signed,
        )
        .tampered(payload_middle),
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

    /// Changes one octet of the body, as a broken or hostile proxy would.
    fn tampered(mut self, at: usize) -> Self {
        let mut body = self.request.body().to_vec();
        if let Some(octet) = body.get_mut(at) {
            *octet ^= 1;
        }
        *self.request.body_mut() = body.into();
        self
    }
}

async fn show_case(story: &Story<'_>, case: Case, from: &Party, to: &mut Party) -> Fallible<bool> {
    story.out.heading(format_args!("Failure: {}", case.title));
    story.out.paragraph(case.story);
    story.out.blank();
    from.company.store.save_outbound(&case.sent)?;
    let start = Instant::now();
    let (pending, size) = (&case.sent.pending, octets(case.request.body().len()));
    let answer = story.client.post(case.request).await;
    let round_trip = start.elapsed();
    story.out.step("send", format!("{size} from {} to {}", pending.us(), pending.them()), None);

    let arrival = arrival(story, to, &case.sent).await?;
    let refused = show_refusal(story, &arrival);
    story.out.step("answer", describe_answer(&answer), Some(round_trip));
    let outcome = from.company.conclude(pending, answer.as_ref().map_err(Clone::clone))?;
    if let SendOutcome::Settled(outcome) = &outcome
        && let Some(evidence) = outcome.evidence()
    {
        story.show_receipt(evidence);
    }
    story.out.step("advice", advice(outcome.advice()), None);
    Ok(refused && outcome.advice() == Advice::ResubmitNewId)
}

/// What the receiver's log says.
fn show_refusal(story: &Story<'_>, arrival: &Arrived) -> bool {
    let Finding::Refused { code, error, layers, reference } = &arrival.finding else {
        story.out.verdict("open", false, "the message was taken", Some(arrival.opening));
        return false;
    };
    let opened =
        if layers.is_empty() { "nothing was opened".to_owned() } else { format!("{}, then stopped", list(layers)) };
    story.out.step("open", opened, Some(arrival.opening));
    story.out.verdict("error", false, format!("{code}: {error}"), None);
    if let Some(reference) = reference {
        story.out.detail(format!("logged under reference {reference}"));
    }
    true
}

async fn arrival(story: &Story<'_>, party: &mut Party, sent: &Outbound) -> Fallible<Box<Arrived>> {
    let arrival = story.arrival(party, sent.pending.message_id().bare()).await;
    Ok(arrival.ok_or("the message did not arrive")?)
}

/// Where `part` starts in `whole`, or 0.
fn find(whole: &[u8], part: &[u8]) -> usize {
    whole.windows(part.len().max(1)).position(|window| window == part).unwrap_or_default()
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
