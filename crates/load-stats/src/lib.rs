#![doc = include_str!("../README.md")]
//!
//! | Question | Module |
//! |---|---|
//! | Does memory grow without end? | [`growth`], built on [`slope`] and [`mann_kendall`] |
//! | Do two versions differ, judged by pairs at several looks? | [`decide`], built on [`signed_rank`] and [`holm`] |
//! | Does one side fail more often than the other? | [`fisher`] |
//! | Is tonight's value outside of the noise of past nights? | [`fence`] |
//! | Has it become worse in small steps, each of which was let pass? | [`drift`] |
//! | How much load does a server withstand? | [`capacity`] |
//! | Since when is a series at another level? | [`change_points`], built on [`energy`] |

pub mod capacity;
pub mod change_points;
pub mod decide;
pub mod drift;
pub mod energy;
pub mod error;
pub mod fence;
pub mod fisher;
pub mod growth;
pub mod holm;
pub mod mann_kendall;
pub mod signed_rank;
pub mod slope;

mod numbers;

pub use error::StatsError;
pub use numbers::{median, quantile};
