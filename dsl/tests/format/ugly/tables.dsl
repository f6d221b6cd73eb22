Feature: Tables
  Scenario: S
    Examples: wide characters and escapes
      Given x
    | a|b |
      |漢字|\||
       |é| `x` |
      | "" ||
      Then y is
      |n|
      | 1
      |2|3|
