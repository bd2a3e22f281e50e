/// A table operation that did not succeed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// DynamoDB refused or could not be reached. Retry: conditions make a repeated write harmless.
    #[error("{operation} failed{}", code.as_deref().map(|code| format!(" with {code}")).unwrap_or_default())]
    Unavailable {
        /// What was to be done, such as `claiming a task`.
        operation: &'static str,
        /// DynamoDB's error code.
        code: Option<String>,
        /// The cause.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A stored row cannot be read. Give up: it stays so until somebody mends it.
    #[error("{operation}: the stored {what} cannot be read: {problem}")]
    Corrupt {
        /// What was to be done.
        operation: &'static str,
        /// The attribute.
        what: &'static str,
        /// What is wrong with it, without its value.
        problem: String,
    },
    /// Somebody else changed the row in between. Retry: read it again first.
    #[error("{operation}: somebody else changed it in between")]
    Conflict {
        /// What was to be done.
        operation: &'static str,
    },
    /// The row would be larger than a table takes. Give up.
    #[error("{operation}: {what} is larger than the 400 kB that a row can hold")]
    TooLarge {
        /// What was to be done.
        operation: &'static str,
        /// What is too large.
        what: &'static str,
    },
}

impl Error {
    /// Whether doing it again cannot help.
    pub fn is_permanent(&self) -> bool {
        match self {
            Self::Corrupt { .. } | Self::TooLarge { .. } => true,
            Self::Unavailable { .. } | Self::Conflict { .. } => false,
        }
    }

    /// Whether a stored row cannot be read.
    pub fn is_corrupt(&self) -> bool {
        matches!(self, Self::Corrupt { .. })
    }

    /// Whether DynamoDB did not answer at all. Asking once more would take as long again.
    pub fn is_silence(&self) -> bool {
        match self {
            Self::Unavailable { code, .. } => code.is_none(),
            Self::Corrupt { .. } | Self::Conflict { .. } | Self::TooLarge { .. } => false,
        }
    }

    /// The same for one more of those whose call it was.
    pub(crate) fn shared(&self, operation: &'static str) -> Self {
        let code = match self {
            Self::Unavailable { code, .. } => code.clone(),
            Self::Corrupt { .. } | Self::Conflict { .. } | Self::TooLarge { .. } => None,
        };
        Self::Unavailable {
            operation,
            code,
            source: self.causes().into(),
        }
    }

    /// The error with its causes, as a text.
    fn causes(&self) -> String {
        let mut text = self.to_string();
        let mut cause = std::error::Error::source(self);
        while let Some(error) = cause {
            text = format!("{text}: {error}");
            cause = error.source();
        }
        text
    }

    pub(crate) fn unavailable(operation: &'static str) -> impl FnOnce(aws::Error) -> Self {
        move |error| Self::Unavailable {
            operation,
            code: error.code().map(str::to_owned),
            source: Box::new(error),
        }
    }
}
