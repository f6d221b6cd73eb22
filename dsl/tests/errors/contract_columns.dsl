Contract: Order version 1
  | name | type |
  | id   | int  |
