Contract: Order version 1
  | field  | type           | rules    |
  | id     | int64          | required |
  | amount | decimal(12, 2) | required |
  | note   | string         |          |
  Compatibility: full

Contract: Order version 2
  | field | type           | rules    |
  | id    | int64          | required |
  | total | decimal(12, 2) | required |
  Compatibility: full
