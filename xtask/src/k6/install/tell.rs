//! What people are told meanwhile.

/// A message about finding or installing k6; where it is shown is for the caller to decide.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Told<'a> {
    /// A step begins or has ended.
    Info(&'a str),
    /// Something that explains what follows.
    Notice(&'a str),
    /// How far the present step is: replaces the last one, and is worth a line on a terminal only.
    Status(&'a str),
}

/// Takes the messages.
pub type Tell<'a> = dyn FnMut(Told<'_>) + 'a;
