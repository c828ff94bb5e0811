//! What a profile changes about calls to the partner's endpoints: credentials, pace, retries.

use crate::Row;

pub(crate) fn rows() -> Vec<Row> {
    vec![]
}
