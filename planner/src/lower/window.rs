//! Windows: their lengths, their time, how many of them are open.

use super::{Heard, Lowering, step::Work};
use crate::{StateBound, WindowShape, WindowSpec, catalogue as codes, sanity::MAX_WINDOWS_PER_ROW};
use runink_dsl::{
    ast::{self, Duration, Span, Spanned, TimeDomain},
    units::show_duration,
};

impl Lowering<'_> {
    pub(super) fn window(&mut self, work: &Work<'_>, window: &Spanned<ast::Window>) -> Heard<WindowSpec> {
        let file = work.texts.file;
        let shape = self.shape(work, window)?;
        let (on, span) = match &window.value.on {
            Some(on) => (Some(&on.value), on.span),
            None => (None, window.span),
        };
        if on == Some(&TimeDomain::Processing) {
            return Ok(WindowSpec { shape, time: None });
        }
        let stream = &work.flow.stream;
        let Some(time) = stream.time.clone() else {
            let message = "this window needs an event time, and the rows here have none";
            let hint = match stream.bounded {
                true => "give the source `time=<column>`, keep that column in the steps before, or write `on processing time`",
                false => {
                    "give the source `time=<column>` and `lateness=…`, keep that column in the steps before, or write `on processing time`"
                }
            };
            return Err(self.error(codes::WINDOW_TIME, file, span, message, hint));
        };
        if let Some(TimeDomain::Column(name)) = on {
            let column = self.column(work.texts, &ast::Name::new(name.clone(), span), work.flow.columns())?;
            if column != time.column {
                let event_time = stream.time_column().unwrap_or_default();
                let message = format!("`{name}` is not the event time of these rows: `{event_time}` is, and the watermark is about that");
                let hint = format!("leave `on` out, or give the source `time={name}`");
                return Err(self.error(codes::WINDOW_COLUMN, file, span, message, hint));
            }
        }
        Ok(WindowSpec { shape, time: Some(time) })
    }

    fn shape(&mut self, work: &Work<'_>, window: &Spanned<ast::Window>) -> Heard<WindowShape> {
        let offset = match &window.value.offset {
            Some(offset) => offset.value.0,
            None => 0,
        };
        Ok(match &window.value.shape {
            ast::WindowShape::Tumbling(size) => WindowShape::Tumbling { size: self.positive(work, size)?, offset },
            ast::WindowShape::Session(gap) => {
                if let Some(offset) = &window.value.offset {
                    let message = "a session starts with its first row and has no offset";
                    return Err(self.error(codes::WINDOW_LENGTH, work.texts.file, offset.span, message, "leave `offset` out"));
                }
                WindowShape::Session { gap: self.positive(work, gap)? }
            }
            ast::WindowShape::Hopping { size, every } => {
                let (length, slide) = (self.positive(work, size)?, self.positive(work, every)?);
                if slide > length {
                    let message =
                        format!("windows of {} that start every {} leave gaps", show_duration(size.value), show_duration(every.value));
                    return Err(self.error(
                        codes::WINDOW_LENGTH,
                        work.texts.file,
                        every.span,
                        message,
                        "let them start at least as often as they are long",
                    ));
                }
                self.not_too_many(work, every.span, length, slide)?;
                WindowShape::Hopping { size: length, slide, offset }
            }
            ast::WindowShape::Cumulating { size, every } => {
                let (length, step) = (self.positive(work, size)?, self.positive(work, every)?);
                if step > length || length % step != 0 {
                    let message = format!("steps of {} do not fill {}", show_duration(every.value), show_duration(size.value));
                    return Err(self.error(
                        codes::WINDOW_LENGTH,
                        work.texts.file,
                        every.span,
                        message,
                        "choose a step that divides the size",
                    ));
                }
                self.not_too_many(work, every.span, length, step)?;
                WindowShape::Cumulating { size: length, step, offset }
            }
        })
    }

    fn positive(&mut self, work: &Work<'_>, length: &Duration) -> Heard<i64> {
        if length.value.0 > 0 {
            return Ok(length.value.0);
        }
        Err(self.error(
            codes::WINDOW_LENGTH,
            work.texts.file,
            length.span,
            "a window's lengths are more than 0",
            "for example `tumbling(1m)`",
        ))
    }

    fn not_too_many(&mut self, work: &Work<'_>, span: Span, size: i64, step: i64) -> Heard<()> {
        let windows = size / step;
        if windows <= MAX_WINDOWS_PER_ROW {
            return Ok(());
        }
        let message = format!("each row would be in {windows} windows, more than {MAX_WINDOWS_PER_ROW}");
        Err(self.error(codes::WINDOW_LENGTH, work.texts.file, span, message, "make the step longer"))
    }
}

/// What bounds the state of windows: per key, those that are open at once, and how long each lives.
pub(super) fn window_state(shape: WindowShape, allowed_lateness_us: i64) -> StateBound {
    let open = |size: i64, step: i64| {
        let life = size.saturating_add(allowed_lateness_us);
        StateBound::Windowed { windows_per_key: life.unsigned_abs().div_ceil(step.unsigned_abs().max(1)), lifetime_us: Some(life) }
    };
    match shape {
        WindowShape::Tumbling { size, .. } => open(size, size),
        WindowShape::Hopping { size, slide, .. } => open(size, slide),
        WindowShape::Cumulating { size, step, .. } => match open(size, size) {
            StateBound::Windowed { windows_per_key, lifetime_us } => {
                StateBound::Windowed { windows_per_key: windows_per_key.saturating_mul((size / step.max(1)).unsigned_abs()), lifetime_us }
            }
            other => other,
        },
        WindowShape::Session { .. } => StateBound::Windowed { windows_per_key: 1, lifetime_us: None },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lateness_keeps_windows_open() {
        let tumbling = WindowShape::Tumbling { size: 60, offset: 0 };
        assert_eq!(window_state(tumbling, 0), StateBound::Windowed { windows_per_key: 1, lifetime_us: Some(60) });
        assert_eq!(window_state(tumbling, 90), StateBound::Windowed { windows_per_key: 3, lifetime_us: Some(150) });
        let hopping = WindowShape::Hopping { size: 60, slide: 20, offset: 0 };
        assert_eq!(window_state(hopping, 0), StateBound::Windowed { windows_per_key: 3, lifetime_us: Some(60) });
    }
}
