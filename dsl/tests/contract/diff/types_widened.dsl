Contract: Reading version 1
  | field | type          |
  | count | int32         |
  | small | uint16        |
  | level | float32       |
  | price | decimal(8, 2) |
  | at    | timestamp(ms) |
  | exact | int16         |
  | sum   | int32         |
  Compatibility: backward

Contract: Reading version 2
  | field | type           |
  | count | int64          |
  | small | int32          |
  | level | float64        |
  | price | decimal(12, 4) |
  | at    | timestamp(us)  |
  | exact | float64        |
  | sum   | decimal(12, 0) |
  Compatibility: backward
