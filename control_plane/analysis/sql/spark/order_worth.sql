-- Made by scripts/analysis_sql.py from control_plane/analysis/expressions.py; do not edit.
SELECT
  `t4`.`unit`,
  `t4`.`order_id`,
  `t4`.`time_s`,
  `t12`.`earned_micros` - COALESCE(`t8`.`back_micros`, 0) AS `profit_micros`
FROM `order_units` AS `t4`
INNER JOIN (
  SELECT
    `t5`.`order_id`,
    `t5`.`time_s`,
    `t5`.`revenue_micros`,
    `t5`.`margin_micros` - COALESCE(`t10`.`cost_micros`, `t5`.`discount_micros`) AS `earned_micros`
  FROM `orders` AS `t5`
  LEFT OUTER JOIN (
    SELECT
      `t7`.`order_id`,
      SUM(`t7`.`cost_micros`) AS `cost_micros`
    FROM (
      SELECT
        *
      FROM `redemptions` AS `t3`
      WHERE
        `t3`.`state` = 'committed'
    ) AS `t7`
    GROUP BY
      1
  ) AS `t10`
    ON `t5`.`order_id` = `t10`.`order_id`
) AS `t12`
  ON `t4`.`order_id` = `t12`.`order_id`
LEFT OUTER JOIN (
  SELECT
    `t1`.`order_id`,
    SUM(`t1`.`margin_micros`) AS `back_micros`
  FROM `returns` AS `t1`
  GROUP BY
    1
) AS `t8`
  ON `t4`.`order_id` = `t8`.`order_id`
