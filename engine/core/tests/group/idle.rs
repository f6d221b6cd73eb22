//! Partitions that go quiet while others are busy.

use super::*;
use arrow::array::TimestampMicrosecondArray;
use arrow::datatypes::TimeUnit;
use runink_connector_api::{Chunk, Ordinal, Partition, Positions};
use runink_engine::testing::WatermarkLog;

/// Says that it has one partition, and then reads two, of which one goes quiet.
struct Uneven;

fn timed() -> SchemaRef {
    Arc::new(Schema::new(vec![Field::new("at", DataType::Timestamp(TimeUnit::Microsecond, None), false)]))
}

fn rows(partition: u32, chunk: u32, at: i64) -> Poll {
    let batch = RecordBatch::try_new(timed(), vec![Arc::new(TimestampMicrosecondArray::from(vec![at]))]).unwrap();
    Poll::Rows(Chunk {
        batch,
        rejects: vec![],
        positions: Positions::From(0),
        origin: "memory".into(),
        partition: Partition(partition),
        ordinal: Ordinal { unit: 0, chunk },
        bytes: 0,
        diffs: None,
        partition_ends: false,
        after: None,
    })
}

impl Source for Uneven {
    fn boundedness(&self) -> Boundedness {
        Boundedness::Bounded
    }
    fn epoch_by(&self) -> EpochBy {
        EpochBy::Volume
    }
    fn partitions(&self) -> u32 {
        1
    }
    fn reader(&self, share: Share) -> Result<Box<dyn SourceReader>, ConnectorError> {
        let quiet = Poll::CaughtUp { partition: Partition(7) };
        let all = vec![rows(7, 0, 50), rows(0, 1, 100), rows(0, 2, 200), quiet, rows(0, 3, 300), rows(7, 4, 350), rows(0, 5, 400)];
        // Other workers' readers have nothing, and know it: that says nothing of the partitions of the first.
        let none = vec![Poll::Pending { retry_in: Duration::ZERO, caught_up: true }];
        Ok(Box::new(Polls(if share.index == 0 { all } else { none }.into_iter())))
    }
}

struct Polls(std::vec::IntoIter<Poll>);

impl SourceReader for Polls {
    fn poll(&mut self) -> Result<Poll, ConnectorError> {
        Ok(self.0.next().unwrap_or(Poll::End))
    }
}

#[test]
fn a_quiet_partition_holds_the_watermark_until_there_is_evidence_and_again_when_rows_come() {
    for workers in [1, 3] {
        let Op::Source(op) = source_op(false) else { unreachable!() };
        let source = SourceOp { full_schema: timed(), projection: vec![0], idle_us: 0, ..op };
        let mut read = node("in", Op::Source(source), &[], timed());
        read.time = Some(EventTime { column: 0, shift_us: 0 });
        let (mut spec, _) = spec(Plan { scenario: "idle".into(), nodes: vec![read] }, Arc::new(Uneven));
        let log = Arc::new(WatermarkLog::default());
        spec.watermark_tap = Some(log.clone());
        let group = WorkerGroup::start(GroupConfig { workers }).unwrap();
        group.create(spec).unwrap().wait().unwrap();
        let at = |chunk| log.at(ScriptedSource::epoch_of(Ordinal { unit: 0, chunk }), &[NodeId(0)]);
        assert_eq!([at(0), at(1), at(2), at(3), at(4), at(5)], [None, Some(50), Some(200), Some(300), Some(300), Some(350)]);
    }
}
