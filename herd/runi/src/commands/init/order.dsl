Contract: Order version 1
  One row per order and change of its status.
  Owner: {{name}}
  | field      | type           | rules                                  | description                  |
  | order_id   | int64          | required                               |                              |
  | country    | string         | required, length = 2                   | ISO 3166 code of two letters |
  | status     | string         | required, one of paid, open, cancelled |                              |
  | amount     | decimal(12, 2) | required, >= 0                         | in the shop's currency       |
  | ordered_at | timestamp(ms)  | required, event time                   |                              |
  Compatibility: backward
