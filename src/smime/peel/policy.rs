//! What the agreement asks of a message whose layers are all open: it judges what was unwrapped, not what was declared.

use super::Peel;
use crate::error::ReceiveError;
use crate::profile::Requirement;
use crate::smime::layer::Layer;

impl Peel {
    pub(super) fn check_policy(&self) -> Result<(), ReceiveError> {
        let encrypted = self.trail.layers.iter().any(|layer| matches!(layer, Layer::Encrypted(..)));
        let rules = [
            (self.terms.accept.signature, self.trail.signature.is_some(), "signed"),
            (self.terms.accept.encryption, encrypted, "encrypted"),
        ];
        for (rule, found, protection) in rules {
            let verb = match (rule, found) {
                (Requirement::Require, false) => "requires messages to be",
                (Requirement::Forbid, true) => "forbids messages to be",
                _ => continue,
            };
            return Err(ReceiveError::InsufficientSecurity { rule: format!("{verb} {protection}") });
        }
        Ok(())
    }
}
