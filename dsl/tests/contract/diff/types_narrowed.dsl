Contract: Reading version 1
  | field | type           |
  | count | int64          |
  | sign  | int32          |
  | price | decimal(12, 4) |
  | at    | timestamp(us)  |
  | name  | string         |
  | big   | int64          |
  Compatibility: forward

Contract: Reading version 2
  | field | type           |
  | count | int32          |
  | sign  | uint32         |
  | price | decimal(12, 6) |
  | at    | timestamp(s)   |
  | name  | int64          |
  | big   | float64        |
  Compatibility: forward
