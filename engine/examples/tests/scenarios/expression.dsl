Feature: Expressions that fail

  Scenario: Ratios
    @source(name=pairs, type=file, path="pairs.jsonl", contract=Pair@1)
    @step(name=Ratio)
      @do   set ratio = a / b, added = a + b, number = cast(word as int)
    @sink(type=blackhole)

    Examples: division by zero, overflow and casts reject the row, never the scenario
      Given pairs
        | a                   | b | word |
        | 6                   | 3 | 7    |
        | 6                   | 0 | 7    |
        | 9223372036854775807 | 1 | 7    |
        | 6                   | 3 | x    |
        |                     | 3 | 7    |
      Then Ratio is
        | a | b | ratio | added | number |
        | 6 | 3 | 2     | 9     | 7      |
        |   | 3 |       |       | 7      |
      And rejected is
        | reason     | step  | position |
        | expression | Ratio | 2        |
        | expression | Ratio | 3        |
        | expression | Ratio | 4        |

  Scenario: A condition that fails
    @source(name=pairs, type=file, path="pairs.jsonl", contract=Pair@1)
    @step(name=Twice)
      @when a / b = 2
    @sink(type=blackhole)

    Examples: the row is rejected, not left out
      Given pairs
        | a | b |
        | 6 | 3 |
        | 6 | 2 |
        | 6 | 0 |
      Then Twice is
        | a | b |
        | 6 | 3 |
      And rejected is
        | reason     | step  | position |
        | expression | Twice | 3        |

Contract: Pair version 1
  | field | type   | rules |
  | a     | int    |       |
  | b     | int    |       |
  | word  | string |       |
